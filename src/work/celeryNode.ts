/**
 * A worker as a node of Celery's remote control: it has a queue of its own, exclusive, bound to `celery.pidbox`, answers
 * what it is asked, and sends events once somebody watches. Nothing here touches tasks: without the rights, or where a
 * step fails, the worker says so once and goes on.
 */
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib'
import { jittered } from '../amqp/backoff.js'
import { closeChannel, openChannel, withChannel } from '../amqp/channel.js'
import type { Connection } from '../amqp/connection.js'
import { withDeadline } from '../amqp/deadline.js'
import { exchangeExists } from '../amqp/passive.js'
import { AccessRefusedError, textOf } from '../errors/index.js'
import { withoutSpans } from '../observe/tracing.js'
import type { Logger } from '../task/logger.js'
import { requestFor } from '../wire/celeryRemote.js'
import { CELERY_CONTROL, CELERY_EVENTS, CELERY_REPLIES, celeryControlQueue } from '../wire/names.js'
import { CeleryCommands, type CeleryCommandsOptions } from './celeryCommands.js'
import { CeleryEvents } from './celeryEvents.js'
import { CeleryOutlet } from './celeryOutlet.js'

export interface CeleryNodeOptions extends Omit<CeleryCommandsOptions, 'connection' | 'events' | 'node' | 'clock'> {
  readonly consuming: Connection
  readonly publishing: Connection
  readonly log: Logger
}

/** As Celery 5's own workers declare them. */
const QUEUE_EXPIRES_MS = 10_000
const MESSAGE_TTL_MS = 300_000
const ANSWER_MS = 10_000
const RETRY_INITIAL_MS = 1_000
const RETRY_MAX_MS = 30_000
const RESOURCE_LOCKED = 405
const ACCESS_REFUSED = 403
const PRECONDITION_FAILED = 406

/** How many workers of each service this process has had: nodes need names of their own. */
const named = new Map<string, number>()

export class CeleryNode {
  readonly #options: CeleryNodeOptions
  readonly #outlet: CeleryOutlet
  readonly #events: CeleryEvents
  readonly #commands: CeleryCommands
  readonly #onOpen = (): void => void this.#listen()
  #name: string
  #clock = 0
  #channel: Channel | undefined
  #listening: Promise<void> | undefined
  #retry: NodeJS.Timeout | undefined
  #failures = 0
  #eventsExchange: Promise<boolean> | undefined
  #warned = false
  #stopped = false

  /** Does no I/O. */
  constructor(options: CeleryNodeOptions) {
    this.#options = options
    const { service, publishing, consuming, consumers, reports, dispatcher } = options
    const count = (named.get(service) ?? 0) + 1
    named.set(service, count)
    this.#name = `${service}-${process.pid}${count === 1 ? '' : `-${count}`}@${hostname()}`
    const node = (): string => this.#name
    this.#outlet = new CeleryOutlet(publishing, (exchange) => {
      if (exchange === CELERY_EVENTS) this.#events.unheard()
    })
    this.#events = new CeleryEvents({
      ...{ node, outlet: this.#outlet, reports, consumers },
      active: () => dispatcher.inventory().active.length,
      tick: () => ++this.#clock,
    })
    this.#commands = new CeleryCommands({
      ...{ ...options, connection: consuming, events: this.#events, node },
      clock: () => this.#clock,
    })
  }

  start(): void {
    this.#options.consuming.on('open', this.#onOpen)
    void this.#listen()
  }

  /** Says that it ends, and closes. Safe unstarted. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#retry)
    this.#options.consuming.off('open', this.#onOpen)
    this.#events.stop()
    const channel = this.#channel
    this.#channel = undefined
    const open = this.#options.consuming.model !== undefined
    await Promise.all([this.#outlet.close(), open ? closeChannel(channel) : undefined])
  }

  async #listen(): Promise<void> {
    this.#listening ??= this.#tryToListen().finally(() => {
      this.#listening = undefined
    })
    await this.#listening
  }

  async #tryToListen(): Promise<void> {
    const { model } = this.#options.consuming
    if (this.#stopped || this.#channel !== undefined || model === undefined) return
    clearTimeout(this.#retry)
    try {
      await ensureExchange(model, CELERY_CONTROL, 'fanout', false)
      const channel = await this.#subscribed(model)
      if (this.#stopped) return void closeChannel(channel)
      this.#channel = channel
      this.#failures = 0
      channel.once('close', () => {
        if (this.#channel === channel) this.#channel = undefined
        this.#later()
      })
    } catch (error) {
      if (codeOf(error) === RESOURCE_LOCKED) {
        // Another process of the same number, on a host of the same name.
        this.#name = this.#name.replace('@', `-${randomBytes(3).toString('hex')}@`)
        return this.#later()
      }
      this.#report(error)
      // Without the rights it stays so, until the next connection.
      if (!isRefused(error)) this.#later()
    }
  }

  async #subscribed(model: ChannelModel): Promise<Channel> {
    const queue = celeryControlQueue(this.#name)
    const channel = await openChannel(model, `opening a channel for ${queue}`)
    const subscribing = async (): Promise<void> => {
      await channel.assertQueue(queue, {
        ...{ exclusive: true, autoDelete: true, durable: false },
        ...{ expires: QUEUE_EXPIRES_MS, messageTtl: MESSAGE_TTL_MS },
      })
      await channel.bindQueue(queue, CELERY_CONTROL, '')
      const receive = (message: ConsumeMessage | null): void => {
        if (message === null) void closeChannel(channel)
        else void this.#receive(message)
      }
      await withoutSpans(channel.consume).call(channel, queue, receive, { noAck: true })
    }
    try {
      await withDeadline(subscribing(), ANSWER_MS, `subscribing to ${queue}`)
      return channel
    } catch (error) {
      void closeChannel(channel)
      throw error
    }
  }

  async #receive({ content, properties }: ConsumeMessage): Promise<void> {
    const request = requestFor(this.#name, content, properties.headers, Date.now())
    if (request === undefined || this.#stopped) return
    const clock: unknown = properties.headers?.clock
    if (Number.isSafeInteger(clock)) this.#clock = Math.max(this.#clock, clock as number)
    this.#clock++
    if (EVENT_COMMANDS.has(request.method) && !(await this.#canTell())) return
    await this.#outlet.ready()
    const { known, answer } = await this.#commands.run(request.method, request.arguments)
    // What workers of Celery know and these do not is theirs to answer.
    if (!known || request.replyKey === undefined) return
    this.#outlet.say({
      ...{ exchange: CELERY_REPLIES, routingKey: request.replyKey, body: { [this.#name]: answer } },
      headers: { ticket: request.ticket, clock: ++this.#clock },
      mandatory: false,
    })
  }

  /** Whether there is somewhere to send events. Publishing to an exchange that does not exist would close the channel. */
  async #canTell(): Promise<boolean> {
    const { model } = this.#options.publishing
    if (model === undefined) return false
    this.#eventsExchange ??= ensureExchange(model, CELERY_EVENTS, 'topic', true).then(
      () => true,
      (error: unknown) => {
        this.#report(error)
        if (!isRefused(error)) this.#eventsExchange = undefined
        return false
      },
    )
    return this.#eventsExchange
  }

  #later(): void {
    if (this.#stopped || this.#options.consuming.model === undefined) return
    this.#retry = setTimeout(this.#onOpen, jittered(RETRY_INITIAL_MS, this.#failures++, RETRY_MAX_MS)).unref()
  }

  #report(error: unknown): void {
    const { log, service } = this.#options
    if (this.#warned || this.#stopped) return
    this.#warned = true
    const why = isRefused(error)
      ? `its user may not use ${CELERY_CONTROL} and ${CELERY_EVENTS}; give it the rights of docs/guide/celery.md, or set celeryRemote: false`
      : textOf(error)
    log.warn({ service }, `Celery's tools do not see this worker: ${why}`)
  }
}

const EVENT_COMMANDS: ReadonlySet<string> = new Set(['heartbeat', 'enable_events'])

const codeOf = (error: unknown): number | undefined => (error as { code?: number } | undefined)?.code

const isRefused = (error: unknown): boolean => error instanceof AccessRefusedError || codeOf(error) === ACCESS_REFUSED

/** Declares it. One that is there already is taken as it is: another version of Celery may have declared it otherwise. */
async function ensureExchange(model: ChannelModel, name: string, type: string, durable: boolean): Promise<void> {
  try {
    const declare = (channel: Channel) => channel.assertExchange(name, type, { durable, autoDelete: false })
    await withChannel(model, `declaring ${name}`, declare)
  } catch (error) {
    if (codeOf(error) === PRECONDITION_FAILED) return
    if (codeOf(error) !== ACCESS_REFUSED || !(await exchangeExists(model, name))) throw error
  }
}
