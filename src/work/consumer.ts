/**
 * Keeps one queue consumed. Desired is what `start` and `drain` say; actual is what the broker has confirmed
 * (`basic.consume-ok`), and whenever they differ the consumer works on it: it declares, opens a channel, consumes, and
 * tries again later, with back-off, on this queue alone. A queue that is away never disturbs another.
 *
 *     idle ─▶ opening ─▶ consuming ─▶ draining ─▶ stopped
 *                │ ▲         │▲pause, resume: paused
 *                │ │         │ channel or connection lost, consumer cancelled by the broker
 *                ▼ │         ▼
 *               waiting ◀────┘
 *
 * Each channel is a generation. What was delivered on an earlier one belongs to RabbitMQ again, and `ack` of it does
 * nothing.
 *
 * A consumer is cancelled only when it holds nothing, or when that cannot be helped: when a node goes down, a quorum
 * queue takes back what live consumers on that node hold, but what a cancelled one holds stays with it until the node
 * is back (decision 0008).
 */
import { EventEmitter } from 'node:events'
import type { Channel, ConsumeMessage } from 'amqplib'
import { jittered } from '../amqp/backoff.js'
import type { Connection } from '../amqp/connection.js'
import { withDeadline } from '../amqp/deadline.js'
import { declareQueue, type QueueDeclaration } from '../amqp/declare.js'
import { Lifecycle } from '../amqp/lifecycle.js'
import { AccessRefusedError, QueueMismatchError, QueueUnavailableError, textOf } from '../errors/index.js'
import type { ConsumerState } from '../observe/events.js'
import type { QueueType } from '../task/topology.js'
import { Acknowledgements } from './acknowledgements.js'

export interface ConsumerOptions {
  readonly declaration: QueueDeclaration
  /** How many unacknowledged messages this consumer holds at most, to begin with. */
  readonly prefetch: number
  readonly retryInitialDelayMs: number
  readonly retryMaxDelayMs: number
}

/** A message that a consumer holds. */
export interface Delivery {
  readonly message: ConsumeMessage
  readonly consumer: Consumer
  readonly generation: number
}

export interface ConsumerEvents {
  state: [{ queue: string; state: ConsumerState; reason?: string }]
  delivery: [Delivery]
  /** Every delivery of this generation or an earlier one is RabbitMQ's again. */
  lost: [{ generation: number }]
  /** These consumer tags are cancelled. What they delivered and is not started is best given back. */
  unsubscribed: [{ tags: ReadonlySet<string> }]
  /** It came to rest, and begins anew with the prefetch of its options. */
  renewed: []
}

const OPEN_TIMEOUT_MS = 15_000
/** How often an eye is kept on a consumer; a queue that was quiet for as long is looked at. */
const WATCH_MS = 4_000

/** A consumer of the broker (`basic.consume`), and how many unacknowledged messages it holds at most. */
interface Subscription {
  readonly tag: string
  readonly prefetch: number
}

export class Consumer extends EventEmitter<ConsumerEvents> {
  readonly #connection: Connection
  readonly #options: ConsumerOptions
  readonly #life: Lifecycle<ConsumerState>
  #channel: Channel | undefined
  #acks = new Acknowledgements(undefined)
  /** The first has the prefetch of the options, the others what `adjust` added. */
  #subscriptions: Subscription[] = []
  /** Consumer tags of the present channel. */
  readonly #cancelled = new Set<string>()
  #generation = 0
  /** What changes the subscriptions, one after the other. */
  #changes: Promise<void> = Promise.resolve()
  /** How many changes are at work or wait for their turn. */
  #changing = 0
  /** Whether anything was delivered on the present channel. */
  #used = false
  /** Whether anything was delivered since the watch last looked. */
  #delivered = false
  #watcher: NodeJS.Timeout | undefined
  #pauseWanted = false
  #failures = 0
  #retry: NodeJS.Timeout | undefined
  #reason: string | undefined

  constructor(connection: Connection, options: ConsumerOptions) {
    super()
    this.#connection = connection
    this.#options = options
    this.#life = new Lifecycle<ConsumerState>(
      `consumer of ${this.queue}`,
      'idle',
      {
        idle: ['opening', 'waiting', 'stopped'],
        opening: ['consuming', 'waiting', 'draining', 'stopped'],
        consuming: ['waiting', 'paused', 'draining'],
        paused: ['consuming', 'waiting', 'draining'],
        waiting: ['opening', 'waiting', 'draining', 'stopped'],
        draining: ['stopped'],
        stopped: [],
      },
      (state, _from, reason) => {
        this.#reason = reason
        this.emit('state', { queue: this.queue, state, ...(reason === undefined ? {} : { reason }) })
      },
    )
    connection.on('open', () => {
      // `start` makes the first move; from then on every new connection is a reason to try at once.
      if (this.#life.state === 'waiting') void this.#open().catch(() => undefined)
    })
    connection.on('lost', ({ reason }) => this.#lose(this.#channel, `connection lost: ${reason}`))
  }

  get queue(): string {
    return this.#options.declaration.queue.name
  }

  get queueType(): QueueType {
    return this.#options.declaration.queue.type
  }

  /** The task that its queue is for. */
  get taskName(): string {
    return this.#options.declaration.binding.routingKey
  }

  get state(): ConsumerState {
    return this.#life.state
  }

  /** How many unacknowledged messages it holds at most. */
  get prefetch(): number {
    return this.#subscriptions.reduce((sum, { prefetch }) => sum + prefetch, 0) || this.#options.prefetch
  }

  /** Whether it holds at least half of what it may: RabbitMQ will soon wait for an acknowledgement, or does so already. */
  get nearlyFull(): boolean {
    return 2 * this.#acks.outstanding >= this.prefetch
  }

  /** Why it is not consuming, when it is not. */
  get reason(): string | undefined {
    return this.#reason
  }

  /**
   * Starts consuming. Resolves when the queue is taken up, or when it cannot be now but will be tried again.
   * Throws what trying again cannot mend: `QueueMismatchError`, `AccessRefusedError`.
   */
  async start(): Promise<void> {
    this.#watcher = setInterval(() => void this.#watch(), WATCH_MS).unref()
    await this.#open()
  }

  /**
   * Acknowledges, together with the others of this turn of the event loop. False when the delivery's channel is gone:
   * RabbitMQ hands the message out again.
   */
  ack({ message, generation }: Delivery): boolean {
    if (this.#channel === undefined || generation !== this.#generation) return false
    this.#acks.ack(message)
    return true
  }

  /** Gives the message back to its queue, for any worker. False when it is there already, its channel being gone. */
  giveBack({ message, generation }: Delivery): boolean {
    if (this.#channel === undefined || generation !== this.#generation) return false
    this.#acks.giveBack(message)
    return true
  }

  /**
   * Brings the prefetch near to what is wanted. AMQP fixes it when a consumer begins, so more means one more consumer on
   * the same channel, and fewer means that the last ones are cancelled; the first stays. Does nothing while not consuming
   * or at work on an earlier change.
   */
  async adjust(wanted: number): Promise<void> {
    if (this.#changing > 0) return
    await this.#inTurn(async () => {
      const channel = this.#channel
      if (channel === undefined || this.#life.state !== 'consuming') return
      const superfluous: Subscription[] = []
      try {
        if (wanted > this.prefetch) await this.#subscribe(channel, wanted - this.prefetch)
        while (wanted < this.prefetch && this.#subscriptions.length > 1) {
          superfluous.push(...this.#subscriptions.splice(-1))
        }
        if (superfluous.length > 0) await this.#cancel(channel, superfluous)
      } catch {
        // The channel died, which is noticed and mended elsewhere.
      }
    })
  }

  /**
   * Stops taking messages for a while; what is held stays held. `resume` goes on, and so does a new channel. Once it
   * resolves, what was on its way here has come; what comes later all the same is given back at once.
   */
  async pause(): Promise<void> {
    this.#pauseWanted = true
    await this.#inTurn(async () => {
      const channel = this.#channel
      if (!this.#pauseWanted || this.#life.state !== 'consuming' || channel === undefined) return
      this.#life.to('paused')
      await this.#cancel(channel, this.#subscriptions.splice(0)).catch(() => undefined)
    })
  }

  async resume(): Promise<void> {
    this.#pauseWanted = false
    await this.#inTurn(async () => {
      const channel = this.#channel
      if (this.#pauseWanted || this.#life.state !== 'paused' || channel === undefined) return
      this.#life.to('consuming')
      try {
        await this.#subscribe(channel, this.#options.prefetch)
      } catch (error) {
        // Without a consumer the channel is of no use: the ordinary way of recovery begins, unless it has begun.
        this.#drop(channel, textOf(error))
      }
    })
  }

  /** Takes nothing new. What is held can still be acknowledged. */
  async drain(): Promise<void> {
    clearTimeout(this.#retry)
    clearInterval(this.#watcher)
    if (this.#life.in('draining', 'stopped', 'idle')) return
    this.#life.to('draining')
    const [channel, all] = [this.#channel, this.#subscriptions.splice(0)]
    if (channel !== undefined) await this.#cancel(channel, all).catch(() => undefined)
  }

  /** Closes the channel; what is still unacknowledged goes back to the queue. Safe twice and unstarted. */
  async stop(): Promise<void> {
    await this.drain()
    if (this.#life.state === 'stopped') return
    await this.#acks.handedOver()
    if (this.#life.in('stopped')) return
    const channel = this.#channel
    this.#channel = undefined
    this.#life.to('stopped')
    if (channel !== undefined) {
      await withDeadline(channel.close(), OPEN_TIMEOUT_MS, 'closing a channel').catch(() => undefined)
    }
  }

  async #open(): Promise<void> {
    const model = this.#connection.model
    if (model === undefined) return this.#life.to('waiting', 'no connection to the broker')
    this.#life.to('opening')
    let channel: Channel | undefined
    try {
      await declareQueue(model, this.#options.declaration)
      channel = await withDeadline(model.createChannel(), OPEN_TIMEOUT_MS, 'opening a channel')
      if (this.#connection.model !== model) throw new Error('the connection was lost meanwhile')
      this.#adopt(channel)
      await this.#subscribe(channel, this.#options.prefetch)
      if (this.#channel !== channel) throw new Error('the channel was lost meanwhile')
      this.#failures = 0
      if (this.#life.state === 'opening') this.#life.to('consuming')
      if (this.#pauseWanted) void this.pause()
    } catch (error) {
      if (channel !== undefined && this.#channel === channel) this.#channel = undefined
      channel?.close().catch(() => undefined)
      const explained = this.#explain(error)
      if (this.#life.state === 'opening') this.#waitAndRetry(explained.message)
      if (explained instanceof QueueMismatchError || explained instanceof AccessRefusedError) throw explained
    }
  }

  /** One more consumer on the channel; cancelled again if it is not wanted any more when it is there. */
  async #subscribe(channel: Channel, prefetch: number): Promise<void> {
    await withDeadline(channel.prefetch(prefetch), OPEN_TIMEOUT_MS, 'setting the prefetch')
    const consuming = channel.consume(this.queue, (message) => this.#receive(channel, message))
    const { consumerTag: tag } = await withDeadline(consuming, OPEN_TIMEOUT_MS, 'consuming')
    if (channel !== this.#channel) return
    if (this.#life.in('opening', 'consuming')) this.#subscriptions.push({ tag, prefetch })
    else await withDeadline(channel.cancel(tag), OPEN_TIMEOUT_MS, 'cancelling')
  }

  async #cancel(channel: Channel, subscriptions: readonly Subscription[]): Promise<void> {
    const cancelling = subscriptions.map(({ tag }) => channel.cancel(tag))
    await withDeadline(Promise.all(cancelling), OPEN_TIMEOUT_MS, 'cancelling')
    if (channel !== this.#channel) return
    const tags = new Set(subscriptions.map(({ tag }) => tag))
    for (const tag of tags) this.#cancelled.add(tag)
    this.emit('unsubscribed', { tags })
  }

  /**
   * Compares what is with what should be. While messages come there is nothing to ask. When none came for a while, the
   * channel is renewed if it was used; else the queue is asked for: one that was deleted, that counts no consumer, or that
   * has messages for a consumer who holds none, is not consumed, whatever this side believes. RabbitMQ's notice of it
   * (`basic.cancel`) does not always come.
   */
  async #watch(): Promise<void> {
    const quiet = !this.#delivered
    this.#delivered = false
    const channel = this.#channel
    if (!quiet || this.#changing > 0 || channel === undefined || this.#life.state !== 'consuming') return
    if (this.#used && this.#acks.outstanding === 0) return this.#inTurn(() => this.#renew())
    try {
      const { consumerCount, messageCount } = await withDeadline(
        channel.checkQueue(this.queue),
        OPEN_TIMEOUT_MS,
        'asking for the queue',
      )
      if (consumerCount === 0) throw new Error('the queue counts no consumer')
      if (messageCount === 0 || this.#acks.outstanding > 0 || this.#delivered) return
      throw new Error(`${messageCount} messages wait in the queue, and none is delivered`)
    } catch (error) {
      this.#drop(channel, textOf(error))
    }
  }

  /** Gives a channel up, and begins the ordinary way of recovery. */
  #drop(channel: Channel | undefined, reason: string): void {
    this.#lose(channel, reason)
    channel?.close().catch(() => undefined)
  }

  /**
   * Takes a fresh channel while nothing is held. After a leader election a quorum queue may count messages as handed to
   * a channel that never got them, and holds them back for as long as that channel lives; closing it sets them free.
   * AMQP does not show this, so a channel that was used is renewed when it comes to rest.
   */
  async #renew(): Promise<void> {
    const [old, model] = [this.#channel, this.#connection.model]
    if (this.#life.state !== 'consuming' || old === undefined || model === undefined) return
    try {
      await this.#cancel(old, this.#subscriptions.splice(0))
      let channel = old
      // Something may have come before the broker heard of the cancelling: then the channel is needed a while longer.
      if (this.#acks.outstanding === 0) {
        channel = await withDeadline(model.createChannel(), OPEN_TIMEOUT_MS, 'opening a channel')
        await this.#acks.handedOver()
        if (this.#channel !== old) return void channel.close().catch(() => undefined)
        this.#adopt(channel)
        await withDeadline(old.close(), OPEN_TIMEOUT_MS, 'closing a channel')
      }
      await this.#subscribe(channel, this.#options.prefetch)
      this.emit('renewed')
    } catch (error) {
      // A channel that can be neither used nor renewed is lost, and the ordinary way of recovery begins.
      this.#drop(this.#channel, textOf(error))
    }
  }

  /** Subscriptions are changed by one at a time: two changes at once would count the same consumers. */
  #inTurn(change: () => Promise<void>): Promise<void> {
    this.#changing++
    const turn = this.#changes.then(change).finally(() => {
      this.#changing--
    })
    this.#changes = turn.catch(() => undefined)
    return turn
  }

  #explain(error: unknown): Error {
    if (error instanceof QueueMismatchError || error instanceof AccessRefusedError) return error
    if (error instanceof QueueUnavailableError) return error
    return new QueueUnavailableError(this.queue, error)
  }

  #adopt(channel: Channel): void {
    receiveAfterCancel(channel)
    this.#channel = channel
    this.#acks = new Acknowledgements(channel)
    this.#used = false
    this.#generation++
    this.#subscriptions = []
    this.#cancelled.clear()
    let reason = 'its channel was closed'
    channel.on('error', (error) => {
      reason = textOf(error)
    })
    channel.once('close', () => this.#lose(channel, reason))
  }

  #receive(channel: Channel, message: ConsumeMessage | null): void {
    if (channel !== this.#channel) return
    if (message === null) {
      // basic.cancel from the broker: the queue was deleted, or the node that holds it went down.
      this.#drop(channel, 'the broker cancelled the consumer: the queue was deleted, or its node went down')
      return
    }
    this.#acks.delivered()
    if (this.#cancelled.has(message.fields.consumerTag)) {
      this.#acks.giveBack(message)
      return
    }
    this.#used = true
    this.#delivered = true
    this.emit('delivery', { message, consumer: this, generation: this.#generation })
  }

  /** Safe to call more than once for one loss, since `error`, `close` and the connection's `lost` all may come. */
  #lose(channel: Channel | undefined, reason: string): void {
    if (channel === undefined || channel !== this.#channel) return
    this.#channel = undefined
    this.#subscriptions = []
    this.#pauseWanted = false
    this.emit('lost', { generation: this.#generation })
    if (this.#life.in('consuming', 'paused')) this.#waitAndRetry(reason)
  }

  #waitAndRetry(reason: string): void {
    // One state, one reason: said once, not at every failed try.
    if (this.#life.state !== 'waiting') this.#life.to('waiting', reason)
    clearTimeout(this.#retry)
    const { retryInitialDelayMs, retryMaxDelayMs } = this.#options
    this.#retry = setTimeout(
      () => {
        if (this.#life.state === 'waiting' && this.#connection.model !== undefined)
          void this.#open().catch(() => undefined)
      },
      jittered(retryInitialDelayMs, this.#failures++, retryMaxDelayMs),
    )
  }
}

/**
 * RabbitMQ may deliver to a consumer after it has answered the cancelling; amqplib then knows it no longer, throws, and
 * the connection is lost. So each is known for as long as its channel lives.
 */
function receiveAfterCancel(channel: Channel): void {
  // amqplib's own method, which its types leave out.
  const internals = channel as Channel & { unregisterConsumer(tag: string): void }
  internals.unregisterConsumer = () => undefined
}
