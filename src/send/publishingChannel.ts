/**
 * Keeps one confirm channel open on a connection. Several may share a connection: each has its own channel, so that a refusal
 * on one never closes another.
 *
 *     closed ──connection open──▶ opening ──▶ open ──lost, renewed──▶ opening …      close(): any ──▶ closed for good
 *
 * Events of a channel that was lost or replaced are ignored.
 */
import type { ChannelModel, ConfirmChannel, Message } from 'amqplib'
import { closeChannel, openConfirmChannel } from '../amqp/channel.js'
import type { Connection } from '../amqp/connection.js'
import { textOf } from '../errors/index.js'
import type { OutgoingMessage } from '../wire/outgoingMessage.js'

/** Receives events of the current channel only. */
export interface ChannelOwner {
  /** The channel is open, or has room again. */
  ready(): void
  /** The channel is gone, with all messages in flight. `code` is RabbitMQ's, if RabbitMQ closed the channel. */
  lost(reason: string, code: number | undefined): void
  /** There is a connection, but no channel can be opened on it. */
  unavailable(reason: string): void
  answered(tag: number, multiple: boolean, nacked: boolean): void
  returned(message: Message): void
}

const REOPEN_DELAY_MS = 100

export class PublishingChannel {
  readonly #connection: Connection
  readonly #owner: ChannelOwner
  #channel: ConfirmChannel | undefined
  /** The connection on which a channel is being opened. */
  #openingOn: ChannelModel | undefined
  /** The tag of the next confirm, counted from 1 as the broker does. */
  #nextTag = 1
  #openedAt = 0
  #congested = false
  #closed = false
  #reopener: NodeJS.Timeout | undefined
  readonly #onOpen = ({ model }: { model: ChannelModel }): void => void this.#open(model)
  readonly #onLost = ({ reason }: { reason: string }): void => this.#lose(this.#channel, reason, undefined)
  readonly #onUnblocked = (): void => this.#owner.ready()

  constructor(connection: Connection, owner: ChannelOwner) {
    this.#connection = connection
    this.#owner = owner
    connection.on('open', this.#onOpen)
    connection.on('lost', this.#onLost)
    connection.on('unblocked', this.#onUnblocked)
    if (connection.model !== undefined) void this.#open(connection.model)
  }

  /** Whether a message can be written now. */
  get writable(): boolean {
    return this.#channel !== undefined && !this.#congested && !this.#connection.blocked
  }

  get ageMs(): number {
    return performance.now() - this.#openedAt
  }

  /** Writes a message and returns the tag of its confirm. Call it only while `writable`. Throws errors of encoding. */
  write(exchange: string, routingKey: string, { content, properties }: OutgoingMessage): number {
    const channel = this.#channel as ConfirmChannel
    this.#congested = !channel.publish(exchange, routingKey, content, properties)
    return this.#nextTag++
  }

  /** Replaces the channel with a new one on the same connection. */
  renew(reason: string): void {
    const channel = this.#channel
    if (channel === undefined) return
    this.#lose(channel, reason, undefined)
    void closeChannel(channel)
  }

  /**
   * Closes it permanently. Does not wait: the connection stays open, and the broker closes the channel at the latest with it.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#reopener)
    this.#connection.off('open', this.#onOpen)
    this.#connection.off('lost', this.#onLost)
    this.#connection.off('unblocked', this.#onUnblocked)
    const channel = this.#channel
    this.#channel = undefined
    if (this.#connection.model !== undefined) void closeChannel(channel)
  }

  async #open(model: ChannelModel): Promise<void> {
    if (this.#closed || this.#channel !== undefined || this.#openingOn === model) return
    this.#openingOn = model
    const channel = await openConfirmChannel(model, 'opening a channel to publish on').catch(() => undefined)
    const stale = this.#closed || this.#connection.model !== model
    if (this.#openingOn === model) this.#openingOn = undefined
    if (stale) return void closeChannel(channel)
    // The connection is about to close, has no channel left, or does not answer.
    if (channel === undefined) return this.#reopenLater('the channel could not be opened')
    this.#adopt(channel)
  }

  #adopt(channel: ConfirmChannel): void {
    let refusal: { code?: number; message: string } | undefined
    const ifPresent = (act: () => void): void => {
      if (channel === this.#channel) act()
    }
    channel.on('error', (error: Error & { code?: number }) => {
      refusal = error
    })
    channel.once('close', () => this.#lose(channel, textOf(refusal ?? 'channel closed'), refusal?.code))
    channel.on('ack', ({ deliveryTag, multiple }) =>
      ifPresent(() => this.#owner.answered(deliveryTag, multiple, false)),
    )
    channel.on('nack', ({ deliveryTag, multiple }) =>
      ifPresent(() => this.#owner.answered(deliveryTag, multiple, true)),
    )
    channel.on('return', (message) => ifPresent(() => this.#owner.returned(message)))
    channel.on('drain', () =>
      ifPresent(() => {
        this.#congested = false
        this.#owner.ready()
      }),
    )
    this.#channel = channel
    this.#openedAt = performance.now()
    this.#nextTag = 1
    this.#congested = false
    this.#owner.ready()
  }

  /** Called at most once for each channel: later calls find it replaced. */
  #lose(channel: ConfirmChannel | undefined, reason: string, code: number | undefined): void {
    if (channel === undefined || channel !== this.#channel) return
    this.#channel = undefined
    this.#owner.lost(reason, code)
    this.#reopenLater(reason)
  }

  #reopenLater(reason: string): void {
    // Without a connection, the next `open` creates the channel.
    if (this.#connection.model === undefined || this.#closed) return
    this.#owner.unavailable(reason)
    clearTimeout(this.#reopener)
    this.#reopener = setTimeout(() => {
      const { model } = this.#connection
      if (model !== undefined) void this.#open(model)
    }, REOPEN_DELAY_MS)
  }
}
