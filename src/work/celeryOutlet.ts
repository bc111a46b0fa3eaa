/**
 * What a worker says to Celery's tools: answers and events, on a channel of its own of the publishing connection, since a
 * broker that blocks publishers must not block what is acknowledged. Nothing is confirmed, nothing waits: what cannot be
 * written now is dropped. Who watches loses lines then, and no task loses anything.
 */
import type { Channel, Message } from 'amqplib'
import { jittered } from '../amqp/backoff.js'
import { closeChannel, openChannel } from '../amqp/channel.js'
import type { Connection } from '../amqp/connection.js'
import { withoutTracing } from '../observe/tracing.js'

export interface Said {
  readonly exchange: string
  readonly routingKey: string
  readonly body: unknown
  readonly headers: Readonly<Record<string, unknown>>
  /** Whether `onReturned` is told when no queue takes it. */
  readonly mandatory: boolean
}

const RETRY_INITIAL_MS = 500
const RETRY_MAX_MS = 30_000

export class CeleryOutlet {
  readonly #connection: Connection
  readonly #onReturned: (exchange: string) => void
  readonly #onOpen = (): void => void this.#open()
  #channel: Channel | undefined
  #opening: Promise<void> | undefined
  #retry: NodeJS.Timeout | undefined
  #failures = 0
  #congested = false
  #closed = false

  /** Opens its channel when there is something to say. */
  constructor(connection: Connection, onReturned: (exchange: string) => void) {
    this.#connection = connection
    this.#onReturned = onReturned
  }

  /** False when it is dropped: there is no channel now, or the broker does not take what is written. */
  say({ exchange, routingKey, body, headers, mandatory }: Said): boolean {
    const channel = this.#channel
    if (channel === undefined || this.#congested || this.#connection.blocked) return false
    withoutTracing(() => {
      this.#congested = !channel.publish(exchange, routingKey, Buffer.from(JSON.stringify(body)), {
        ...{ contentType: 'application/json', contentEncoding: 'utf-8', persistent: false, mandatory },
        headers: { ...headers },
      })
    })
    return true
  }

  /** Resolves when there is a channel, or none can be had now. */
  async ready(): Promise<void> {
    if (this.#channel === undefined) await this.#open()
  }

  /** Safe unopened. What was written is on its way before the channel's end. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    this.#connection.off('open', this.#onOpen)
    const channel = this.#channel
    this.#channel = undefined
    if (this.#connection.model !== undefined) await closeChannel(channel)
  }

  async #open(): Promise<void> {
    this.#opening ??= this.#tryToOpen().finally(() => {
      this.#opening = undefined
    })
    await this.#opening
  }

  async #tryToOpen(): Promise<void> {
    const { model } = this.#connection
    if (this.#closed || this.#channel !== undefined || model === undefined) return
    clearTimeout(this.#retry)
    this.#connection.off('open', this.#onOpen)
    this.#connection.on('open', this.#onOpen)
    try {
      const channel = await openChannel(model, "opening a channel for Celery's tools")
      if (this.#closed) return void closeChannel(channel)
      this.#channel = channel
      this.#congested = false
      channel.on('drain', () => {
        this.#congested = false
      })
      channel.on('return', ({ fields }: Message) => this.#onReturned(fields.exchange))
      channel.once('close', () => {
        if (this.#channel !== channel) return
        this.#channel = undefined
        // The exchange is gone, or not this user's to write to: asked for again, and not at once.
        this.#later()
      })
    } catch {
      this.#later()
    }
  }

  #later(): void {
    if (this.#closed) return
    const ms = jittered(RETRY_INITIAL_MS, this.#failures++, RETRY_MAX_MS)
    this.#retry = setTimeout(this.#onOpen, ms).unref()
  }
}
