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
 */
import { EventEmitter } from 'node:events'
import type { Channel, ConsumeMessage } from 'amqplib'
import { Acknowledgements } from './acknowledgements.js'
import { jittered } from './backoff.js'
import type { Broker } from './broker.js'
import { withDeadline } from './deadline.js'
import { declareQueue, type QueueDeclaration } from './declare.js'
import { AccessRefusedError, QueueMismatchError, QueueUnavailableError, textOf } from './errors.js'
import type { ConsumerState } from './events.js'
import { Lifecycle } from './lifecycle.js'
import type { QueueType } from './topology.js'

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
}

const OPEN_TIMEOUT_MS = 15_000
/** How often an eye is kept on a consumer; a queue that was quiet for as long is looked at. */
const WATCH_MS = 4_000
/** A channel of this age is renewed the moment nothing is held. */
const RENEW_AFTER_MS = 60_000

export class Consumer extends EventEmitter<ConsumerEvents> {
  readonly #broker: Broker
  readonly #options: ConsumerOptions
  readonly #life: Lifecycle<ConsumerState>
  #channel: Channel | undefined
  #acks = new Acknowledgements(undefined)
  #tag: string | undefined
  #generation = 0
  #prefetch: number
  #adjusting = false
  /** Whether anything was delivered on the present channel, and since when it is open. */
  #used = false
  #openedAt = 0
  /** Whether anything was delivered since the watch last looked. */
  #delivered = false
  #watcher: NodeJS.Timeout | undefined
  #pauseWanted = false
  #failures = 0
  #retry: NodeJS.Timeout | undefined
  #reason: string | undefined

  constructor(broker: Broker, options: ConsumerOptions) {
    super()
    this.#broker = broker
    this.#options = options
    this.#prefetch = options.prefetch
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
    broker.on('open', () => {
      // `start` makes the first move; from then on every new connection is a reason to try at once.
      if (this.#life.state === 'waiting') void this.#open().catch(() => undefined)
    })
    broker.on('lost', ({ reason }) => this.#lose(this.#channel, `connection lost: ${reason}`))
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
    return this.#prefetch
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
    if (performance.now() - this.#openedAt > RENEW_AFTER_MS) void this.#renew()
    return true
  }

  /** Gives the message back to its queue, for any worker. False when it is there already, its channel being gone. */
  giveBack({ message, generation }: Delivery): boolean {
    if (this.#channel === undefined || generation !== this.#generation) return false
    this.#acks.giveBack(message)
    return true
  }

  /**
   * Changes the prefetch. AMQP fixes it when a consumer begins, so a new consumer takes over from the old one on the
   * same channel, and what is held stays held. Does nothing while not consuming or at work on an earlier change.
   */
  async adjust(prefetch: number): Promise<void> {
    const [channel, old] = [this.#channel, this.#tag]
    if (this.#adjusting || channel === undefined || old === undefined || this.#life.state !== 'consuming') return
    this.#adjusting = true
    try {
      await channel.prefetch(prefetch)
      const tag = await this.#consume(channel)
      this.#prefetch = prefetch
      // Drained meanwhile: `drain` cancels the old one, and has not seen the new one.
      const superfluous = this.#life.state === 'consuming' ? old : tag
      if (superfluous === old) this.#tag = tag
      await channel.cancel(superfluous)
    } catch {
      // The channel died, which is noticed and mended elsewhere.
    } finally {
      this.#adjusting = false
    }
    if (this.#pauseWanted) await this.pause()
  }

  /** Stops taking messages for a while; what is held stays held. `resume` goes on, and so does a new channel. */
  async pause(): Promise<void> {
    this.#pauseWanted = true
    const [channel, tag] = [this.#channel, this.#tag]
    // While the prefetch is adjusted there are two consumers; it pauses when there is one again.
    if (this.#life.state !== 'consuming' || this.#adjusting || channel === undefined || tag === undefined) return
    this.#life.to('paused')
    this.#tag = undefined
    await channel.cancel(tag).catch(() => undefined)
  }

  async resume(): Promise<void> {
    this.#pauseWanted = false
    const channel = this.#channel
    if (this.#life.state !== 'paused' || channel === undefined) return
    this.#life.to('consuming')
    try {
      const tag = await this.#consume(channel)
      if (this.#channel === channel) this.#tag = tag
    } catch {
      // The channel died, which is noticed and mended elsewhere.
    }
    if (this.#pauseWanted) await this.pause()
  }

  /** Takes nothing new. What is held can still be acknowledged. */
  async drain(): Promise<void> {
    clearTimeout(this.#retry)
    clearInterval(this.#watcher)
    if (this.#life.in('draining', 'stopped', 'idle')) return
    this.#life.to('draining')
    const [channel, tag] = [this.#channel, this.#tag]
    this.#tag = undefined
    if (channel !== undefined && tag !== undefined) {
      await withDeadline(channel.cancel(tag), OPEN_TIMEOUT_MS, `cancelling the consumer of ${this.queue}`).catch(
        () => undefined,
      )
    }
  }

  /** Closes the channel; what is still unacknowledged goes back to the queue. Safe twice and unstarted. */
  async stop(): Promise<void> {
    await this.drain()
    if (this.#life.state === 'stopped') return
    const channel = this.#channel
    this.#acks.flush()
    this.#channel = undefined
    this.#life.to('stopped')
    if (channel !== undefined) {
      await withDeadline(channel.close(), OPEN_TIMEOUT_MS, 'closing a channel').catch(() => undefined)
    }
  }

  async #open(): Promise<void> {
    const model = this.#broker.model
    if (model === undefined) return this.#life.to('waiting', 'no connection to the broker')
    this.#life.to('opening')
    let channel: Channel | undefined
    try {
      await declareQueue(model, this.#options.declaration)
      channel = await withDeadline(model.createChannel(), OPEN_TIMEOUT_MS, 'opening a channel')
      if (this.#broker.model !== model) throw new Error('the connection was lost meanwhile')
      this.#adopt(channel)
      const opened = channel
      await withDeadline(opened.prefetch(this.#prefetch), OPEN_TIMEOUT_MS, 'setting the prefetch')
      const tag = await this.#consume(opened)
      if (this.#channel !== opened) throw new Error('the channel was lost meanwhile')
      this.#tag = tag
      this.#failures = 0
      if (this.#life.state === 'opening') this.#life.to('consuming')
      else await opened.cancel(tag)
    } catch (error) {
      if (channel !== undefined && this.#channel === channel) this.#channel = undefined
      channel?.close().catch(() => undefined)
      const explained = this.#explain(error)
      if (this.#life.state === 'opening') this.#waitAndRetry(explained.message)
      if (explained instanceof QueueMismatchError || explained instanceof AccessRefusedError) throw explained
    }
  }

  async #consume(channel: Channel): Promise<string> {
    const consuming = channel.consume(this.queue, (message) => this.#receive(channel, message))
    return (await withDeadline(consuming, OPEN_TIMEOUT_MS, 'consuming')).consumerTag
  }

  /**
   * Compares what is with what should be. While messages come there is nothing to ask. When none came for a while, the
   * channel is renewed if it was used; else the queue is asked for: one that was deleted, or that counts no consumer, is
   * not consumed, whatever this side believes. RabbitMQ's notice of it (`basic.cancel`) does not always come.
   */
  async #watch(): Promise<void> {
    const quiet = !this.#delivered
    this.#delivered = false
    const channel = this.#channel
    if (!quiet || this.#adjusting || channel === undefined || this.#life.state !== 'consuming') return
    if (this.#used && this.#acks.outstanding === 0) return this.#renew()
    try {
      const { consumerCount } = await withDeadline(
        channel.checkQueue(this.queue),
        OPEN_TIMEOUT_MS,
        'asking for the queue',
      )
      if (consumerCount > 0) return
      throw new Error('the queue counts no consumer')
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
   * AMQP does not show this, so a channel that was used is renewed when it comes to rest, and an old one as soon as
   * nothing is held.
   */
  async #renew(): Promise<void> {
    const [old, tag, model] = [this.#channel, this.#tag, this.#broker.model]
    if (!this.#used || this.#adjusting || this.#life.state !== 'consuming') return
    if (old === undefined || tag === undefined || model === undefined || this.#acks.outstanding > 0) return
    this.#adjusting = true
    try {
      this.#tag = undefined
      await withDeadline(old.cancel(tag), OPEN_TIMEOUT_MS, 'cancelling')
      let channel = old
      // Something may have come before the broker heard of the cancelling: then the channel is needed a while longer.
      if (this.#acks.outstanding === 0) {
        channel = await withDeadline(model.createChannel(), OPEN_TIMEOUT_MS, 'opening a channel')
        if (this.#channel !== old) return void channel.close().catch(() => undefined)
        this.#acks.flush()
        this.#adopt(channel)
        await withDeadline(old.close(), OPEN_TIMEOUT_MS, 'closing a channel')
        await withDeadline(channel.prefetch(this.#prefetch), OPEN_TIMEOUT_MS, 'setting the prefetch')
      }
      const renewed = await this.#consume(channel)
      if (this.#life.state === 'consuming') this.#tag = renewed
      else await channel.cancel(renewed)
    } catch (error) {
      // A channel that can be neither used nor renewed is lost, and the ordinary way of recovery begins.
      this.#drop(this.#channel, textOf(error))
    } finally {
      this.#adjusting = false
    }
    if (this.#pauseWanted) await this.pause()
  }

  #explain(error: unknown): Error {
    if (error instanceof QueueMismatchError || error instanceof AccessRefusedError) return error
    if (error instanceof QueueUnavailableError) return error
    return new QueueUnavailableError(this.queue, error)
  }

  #adopt(channel: Channel): void {
    this.#channel = channel
    this.#acks = new Acknowledgements(channel)
    this.#used = false
    this.#openedAt = performance.now()
    this.#generation++
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
    this.#used = true
    this.#delivered = true
    this.emit('delivery', { message, consumer: this, generation: this.#generation })
  }

  /** Safe to call more than once for one loss, since `error`, `close` and the connection's `lost` all may come. */
  #lose(channel: Channel | undefined, reason: string): void {
    if (channel === undefined || channel !== this.#channel) return
    this.#channel = undefined
    this.#tag = undefined
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
        if (this.#life.state === 'waiting' && this.#broker.model !== undefined) void this.#open().catch(() => undefined)
      },
      jittered(retryInitialDelayMs, this.#failures++, retryMaxDelayMs),
    )
  }
}
