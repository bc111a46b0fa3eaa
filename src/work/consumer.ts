/**
 * Keeps one queue consumed. Desired is what `start`, `pause`, `rest` and `drain` say; actual is what the broker has
 * confirmed (`basic.consume-ok`). Whenever they differ the consumer works on it: it declares, opens a channel, consumes,
 * and tries again later, with back-off, on this queue alone. A queue that is away never disturbs another.
 *
 *     idle ─▶ opening ─▶ consuming ─▶ draining ─▶ stopped
 *                │ ▲         │▲pause, resume: paused
 *                │ │         │ channel or connection lost, subscription cancelled by the broker
 *                ▼ │         ▼
 *               waiting ◀────┘
 *
 * What a channel delivered stays ours for as long as the channel lives, also when new messages come over another one by
 * then: `subscriptions.ts`. Only a dead channel ends a delivery.
 *
 * A subscription is cancelled only when it holds nothing, or when that cannot be helped: when a node goes down, a quorum
 * queue takes back what live consumers on that node hold, but what a cancelled one holds stays with it until the node is
 * back (decision 0008).
 */
import { EventEmitter } from 'node:events'
import { jittered } from '../amqp/backoff.js'
import { closeChannel, openChannel } from '../amqp/channel.js'
import type { Connection } from '../amqp/connection.js'
import type { Lifecycle } from '../amqp/lifecycle.js'
import { textOf } from '../errors/index.js'
import type { ConsumerState } from '../observe/events.js'
import { pause } from '../timers.js'
import { type ConsumerEvents, type ConsumerOptions, consumerLife, type PauseCause } from './consumerLife.js'
import { onConsumerTimeout } from './consumerTimeout.js'
import { type Delivery, type DeliveryQueue, queueOf } from './delivery.js'
import { Lines } from './lines.js'
import { asQueueError, isRefused, takeUp } from './takeUp.js'
import { Turns } from './turns.js'
import { Watchdog } from './watchdog.js'

export class Consumer extends EventEmitter<ConsumerEvents> {
  readonly queue: DeliveryQueue
  readonly #connection: Connection
  readonly #options: ConsumerOptions
  readonly #life: Lifecycle<ConsumerState>
  readonly #watchdog: Watchdog
  readonly #lines: Lines
  /** What changes the subscriptions. */
  readonly #changes = new Turns()
  readonly #pauses = new Set<PauseCause>()
  #restWanted = false
  #failures = 0
  #retry: NodeJS.Timeout | undefined
  #reason: string | undefined
  #delayProblem: string | undefined
  /** Ends an attempt to take the queue up. */
  #interrupt: ((reason: string) => void) | undefined

  constructor(connection: Connection, options: ConsumerOptions) {
    super()
    this.queue = queueOf(options.declaration)
    this.#connection = connection
    this.#options = options
    this.#life = consumerLife(this.queue.name, (state, reason) => {
      this.#reason = reason
      this.emit('state', { queue: this.queue.name, state, ...(reason === undefined ? {} : { reason }) })
    })
    this.#lines = new Lines({
      queue: this.queue,
      onDelivery: (delivery) => {
        this.#watchdog.delivered()
        this.emit('delivery', delivery)
      },
      onPack: (pack) => {
        this.#watchdog.delivered()
        if (!this.emit('pack', pack)) pack.ack() // A queue of tokens has no use for one.
      },
      ...onConsumerTimeout(connection, this.queue, options.consumerTimeoutMs),
      onLost: (reason) => this.#lost(reason),
    })
    this.#watchdog = new Watchdog({
      ...{ queue: this.queue.name, exchange: options.declaration.binding.exchange },
      line: () => (!this.#changes.busy && this.#life.state === 'consuming' ? this.#lines.current : undefined),
      model: () => this.#connection.model,
      renew: () => this.#changes.take(() => this.#renew()),
      drop: (line, reason) => this.#lines.lose(line, reason),
    })
    // `start` makes the first move; from then on every new connection is a reason to try at once.
    connection.on('open', () => this.#tryAgain())
    connection.on('lost', ({ reason }) => {
      this.#interrupt?.(`connection lost: ${reason}`)
      this.#lines.loseAll(`connection lost: ${reason}`)
    })
  }

  get state(): ConsumerState {
    return this.#life.state
  }

  /** How many unacknowledged messages it holds at most. */
  get prefetch(): number {
    return this.#lines.current?.prefetch || this.#options.prefetch
  }

  get outstanding(): number {
    return this.#lines.outstanding
  }

  /** Whether the broker sends it messages now. */
  get subscribed(): boolean {
    return this.#life.state === 'consuming' && this.#lines.current?.subscribed === true
  }

  get changing(): boolean {
    return this.#changes.busy
  }

  get health(): { queue: string; state: ConsumerState; reason?: string } {
    const reason = this.#reason
    return { queue: this.queue.name, state: this.#life.state, ...(reason === undefined ? {} : { reason }) }
  }

  /** Why messages of this queue cannot be delayed, when they cannot. */
  get delayProblem(): string | undefined {
    return this.#delayProblem
  }

  /**
   * Starts consuming. Resolves when the queue is taken up, or when it cannot be now but will be tried again.
   * Throws what trying again cannot fix: `QueueMismatchError`, `AccessRefusedError`.
   */
  async start(): Promise<void> {
    if (this.#life.state !== 'idle') return
    this.#watchdog.start()
    await this.#open()
  }

  /**
   * Brings the prefetch near to what is wanted. Returns whether a delivery came over a subscription that is cancelled
   * now; undefined when nothing was, or another change is at work.
   */
  async adjust(wanted: number): Promise<((delivery: Delivery) => boolean) | undefined> {
    if (this.#changes.busy) return undefined
    let cancelled: ((delivery: Delivery) => boolean) | undefined
    await this.#changes.take(async () => {
      const line = this.#lines.current
      if (line === undefined || this.#life.state !== 'consuming' || this.#restWanted) return
      cancelled = await this.#lines.adjust(line, wanted)
    })
    return cancelled
  }

  /**
   * Stops taking messages; what is held stays held. `resume` ends it. Resolves once the broker has answered, at most
   * after `limitMs`: a frozen node must not hold up what waits for this. Two causes do not undo each other.
   */
  async pause(limitMs: number, cause: PauseCause = 'suspect'): Promise<void> {
    this.#pauses.add(cause)
    if (this.#holdsOrder) return
    const paused = this.#changes.take(async () => {
      const line = this.#lines.current
      if (this.#pauses.size === 0 || this.#life.state !== 'consuming' || line === undefined) return
      this.#life.to('paused')
      await this.#lines.adjust(line, 0)
    })
    await Promise.race([paused, pause(limitMs)])
  }

  async resume(cause: PauseCause = 'suspect'): Promise<void> {
    this.#pauses.delete(cause)
    await this.#changes.take(async () => {
      const line = this.#lines.current
      if (this.#pauses.size > 0 || this.#life.state !== 'paused' || line === undefined) return
      this.#life.to('consuming')
      if (!this.#restWanted) await this.#lines.adjust(line, this.#options.prefetch)
    })
  }

  /** Cancels its subscriptions while the worker has no room; messages can still be fetched. `wake` ends it. */
  rest(): Promise<void> {
    this.#restWanted = true
    return this.#changes.take(async () => {
      const line = this.#lines.current
      if (!this.#restWanted || this.#life.state !== 'consuming' || line === undefined) return
      await this.#lines.adjust(line, 0)
    })
  }

  wake(): Promise<void> {
    this.#restWanted = false
    return this.#changes.take(async () => {
      const line = this.#lines.current
      if (this.#restWanted || this.#life.state !== 'consuming' || line === undefined || line.subscribed) return
      await this.#lines.adjust(line, this.#options.prefetch)
    })
  }

  /** Asks for one message while it rests. False when there is none, or the queue is away. */
  async fetch(): Promise<boolean> {
    return this.#life.state === 'consuming' && (await this.#lines.fetch())
  }

  /** Takes nothing new. What is held can still be acknowledged. */
  async drain(): Promise<void> {
    clearTimeout(this.#retry)
    this.#watchdog.stop()
    if (this.#life.in('draining', 'stopped', 'idle')) return
    this.#life.to('draining')
    if (this.#holdsOrder) return
    // In its turn: a change that is at work may be about to subscribe.
    await this.#changes.take(async () => void (await this.#lines.current?.shrink(0))).catch(() => undefined)
  }

  /** Nothing else may be delivered, here or elsewhere, before what runs has ended: `beforeAck` cancels then. */
  get #holdsOrder(): boolean {
    return this.queue.ordered === true && this.#lines.outstanding > 0
  }

  /** To be awaited before a delivery of an ordered queue is acknowledged. */
  async beforeAck(): Promise<void> {
    if (this.#pauses.size === 0 && this.#life.state !== 'draining') return
    if (this.#life.state === 'consuming') this.#life.to('paused')
    await this.#changes.take(async () => void (await this.#lines.current?.shrink(0))).catch(() => undefined)
  }

  /** Closes its channels; what is still unacknowledged goes back to the queue. Safe twice and unstarted. */
  async stop(): Promise<void> {
    await this.drain()
    if (this.#life.state === 'stopped') return
    this.#life.to('stopped')
    await this.#lines.close()
  }

  /** Never waits longer than its connection lives: amqplib settles nothing of one that died. */
  async #open(): Promise<void> {
    if (this.#connection.model === undefined) return this.#waitAndRetry('no connection to the broker')
    this.#life.to('opening')
    const interrupted = new Promise<never>((_, reject) => {
      this.#interrupt = (reason) => reject(new Error(reason))
    })
    try {
      await Promise.race([this.#consume(), interrupted])
      this.#failures = 0
      if (this.#life.state === 'opening') this.#life.to('consuming')
      for (const cause of this.#pauses) void this.pause(0, cause)
    } catch (error) {
      const problem = asQueueError(this.queue.name, error)
      if (this.#life.state === 'opening') this.#waitAndRetry(problem.message)
      if (isRefused(problem)) throw problem
    }
  }

  async #consume(): Promise<void> {
    const { declaration, takeUp: takingUp = takeUp } = this.#options
    const { channel, delayProblem } = await takingUp(this.#connection, declaration)
    this.#delayProblem = delayProblem
    if (this.#life.state !== 'opening') return void closeChannel(channel)
    const line = this.#lines.adopt(channel)
    try {
      if (!this.#restWanted && this.#pauses.size === 0) await line.subscribe(this.#options.prefetch)
      if (this.#lines.current !== line) throw new Error('the channel was lost meanwhile')
      // Draining began meanwhile, when there was nothing to cancel.
      if (this.#life.state !== 'opening') await line.shrink(0)
    } catch (error) {
      this.#lines.discard(line, error)
      throw error
    }
  }

  /**
   * Takes a fresh channel; the old one closes once what it delivered is settled. After an election a quorum queue may
   * hold messages for a channel that never got them, until that channel closes. AMQP does not show this, so a channel
   * that was used is renewed when it comes to rest.
   */
  async #renew(): Promise<void> {
    const [old, model] = [this.#lines.current, this.#connection.model]
    if (this.#life.state !== 'consuming' || old === undefined || model === undefined) return
    try {
      await old.shrink(0)
      const channel = await openChannel(model, `opening a channel for ${this.queue.name}`)
      if (this.#lines.current !== old) return void closeChannel(channel)
      await this.#lines.adopt(channel).subscribe(this.#options.prefetch)
      this.emit('renewed')
    } catch (error) {
      // A channel that can be neither used nor renewed is given up, and the ordinary way of recovery begins.
      this.#lines.giveUp(this.#lines.current, textOf(error))
    }
  }

  #lost(reason: string): void {
    this.#pauses.delete('suspect')
    if (this.#life.in('consuming', 'paused')) this.#waitAndRetry(reason)
  }

  #tryAgain(): void {
    if (this.#life.state === 'waiting' && this.#connection.model !== undefined) this.#open().catch(() => undefined)
  }

  #waitAndRetry(reason: string): void {
    // One state, one reason: said once, not at every failed try.
    if (this.#life.state !== 'waiting') this.#life.to('waiting', reason)
    clearTimeout(this.#retry)
    const { retryInitialDelayMs, retryMaxDelayMs } = this.#options
    this.#retry = setTimeout(() => this.#tryAgain(), jittered(retryInitialDelayMs, this.#failures++, retryMaxDelayMs))
  }
}
