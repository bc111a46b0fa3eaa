/**
 * Keeps a worker of many queues from holding messages that it cannot start soon, while other workers are idle. Each
 * queue's consumer holds at least one message, so ten queues of long tasks would hold ten.
 *
 *     subscribed ──full: more could come than there is room for──▶ fetching ──all queues empty, or room for all──▶ subscribed
 *
 * While fetching, the consumers rest, and for each place that becomes free the queues are asked in turn for one message.
 * What came beyond that before the change is requeued, where that costs little: see `Workload.newest`.
 */
import { pause } from '../timers.js'
import type { Consumer } from './consumer.js'
import type { Delivery } from './delivery.js'

/** What a worker has in hand. */
export interface Workload {
  /** Handlers that run. */
  readonly running: number
  /** Deliveries that could start now and have no place. */
  readonly waiting: number
  /** How long an attempt takes, as far as is known: the mean, or the longest that runs now. */
  expectedMs(): number
  /** How many tasks a message of this consumer carries. */
  tasksPerMessage(consumer: Consumer): number
  /**
   * Up to this many of those that wait, the newest, that may be requeued: none that was before, since quorum queues count
   * deliveries, and none of a classic queue, where a redelivered message is taken for one that may kill workers.
   */
  newest(count: number): Delivery[]
}

/** Nothing is held that cannot start within this time. */
const SOON_MS = 1_000
/** The consumers wake when there is that much more room than they may fill: so they do not change to and fro. */
const WAKE_FACTOR = 1.5
/** How long an acknowledgement waits for its consumer to rest. */
const REST_LIMIT_MS = 1_000

export class Room {
  readonly #concurrency: number
  readonly #workload: Workload
  readonly #consumers: Consumer[] = []
  /** In which order they are asked: those of a high priority more often. */
  #turns: readonly Consumer[] = []
  #mode: 'subscribed' | 'fetching' = 'subscribed'
  #asking = false
  #turn = 0
  #closed = false

  constructor(concurrency: number, workload: Workload) {
    this.#concurrency = concurrency
    this.#workload = workload
  }

  add(consumer: Consumer): void {
    this.#consumers.push(consumer)
    this.#turns = turnsOf(this.#consumers)
  }

  /** Before the consumers start: what waits in many queues already must not come all at once. */
  prepare(): void {
    if (this.#consumers.length < 2) return
    this.#mode = 'fetching'
    for (const consumer of this.#consumers) void consumer.rest()
  }

  close(): void {
    this.#closed = true
  }

  /** Called whenever what is in hand has changed. */
  update(): void {
    if (this.#consumers.length < 2 || this.#closed) return
    const [held, places, capacity] = [this.#held, this.#places, this.#capacity]
    if (this.#mode === 'subscribed' ? held >= places && places < capacity : held > places) {
      void this.#fill(held - places)
    } else if (this.#mode === 'fetching') {
      if (places >= WAKE_FACTOR * capacity) this.#wake()
      else if (held < places && !this.#asking) void this.#ask()
    }
  }

  /**
   * To be awaited before a delivery is acknowledged: its consumer must not get another one for it.
   *
   * Nothing is awaited when the cancellation can be written at once: RabbitMQ takes it before the acknowledgement that is
   * written after it. Until 4.2, when a node dies, RabbitMQ returns what its consumers hold, except to consumers that are
   * cancelled: that stays where it is until the node is back. So a cancelled consumer holds messages as briefly as it can.
   */
  beforeAck({ queue }: Delivery): Promise<unknown> | undefined {
    if (this.#mode === 'subscribed') return undefined
    const consumer = this.#consumers.find((each) => each.queue === queue)
    if (consumer === undefined || !consumer.subscribed) return undefined
    const { changing } = consumer
    const resting = consumer.rest()
    return changing ? Promise.race([resting, pause(REST_LIMIT_MS)]) : undefined
  }

  get #held(): number {
    return this.#workload.running + this.#workload.waiting
  }

  /** What may be held: what can run, and what can start soon, at least one. */
  get #places(): number {
    const expectedMs = this.#workload.expectedMs()
    return this.#concurrency + Math.max(1, Math.floor((this.#concurrency * SOON_MS) / Math.max(expectedMs, 1)))
  }

  /** What the consumers hold at most while they are subscribed. */
  get #capacity(): number {
    const of = (consumer: Consumer): number => consumer.prefetch * this.#workload.tasksPerMessage(consumer)
    return this.#consumers.reduce((sum, consumer) => sum + of(consumer), 0)
  }

  async #fill(surplus: number): Promise<void> {
    this.#mode = 'fetching'
    const chosen = this.#workload.newest(surplus)
    const queues = new Set(chosen.map(({ queue }) => queue))
    // One that holds all it may gets no more; it rests before its next acknowledgement.
    const resting = this.#consumers.filter(
      (each) => each.subscribed && (each.outstanding < each.prefetch || queues.has(each.queue)),
    )
    await Promise.all(resting.map((consumer) => consumer.rest()))
    // Requeued earlier, it would come straight back.
    for (const delivery of chosen) delivery.giveBack()
  }

  #wake(): void {
    this.#mode = 'subscribed'
    for (const consumer of this.#consumers) void consumer.wake()
  }

  /** Asks the queues in turn until there is no room or nothing to fetch. */
  async #ask(): Promise<void> {
    this.#asking = true
    let misses = 0
    // The consumers that were asked in vain; those whose queue is away are not.
    let empty = 0
    while (this.#mode === 'fetching' && !this.#closed && misses < this.#turns.length && this.#held < this.#places) {
      const consumer = this.#turns[this.#turn++ % this.#turns.length]
      if (consumer === undefined) break
      // A subscribed one holds all it may, or is about to rest.
      const asked = consumer.state === 'consuming' && !consumer.subscribed
      const found = asked && (await consumer.fetch())
      misses = found ? 0 : misses + 1
      empty = found ? 0 : empty + (asked ? 1 : 0)
    }
    this.#asking = false
    if (this.#mode === 'fetching' && !this.#closed && misses >= this.#turns.length && empty > 0) this.#wake()
  }
}

/** As often as `picker.ts` picks them: six, three, one. */
const PATTERN = ['high', 'high', 'normal', 'high', 'high', 'normal', 'high', 'high', 'normal', 'low'] as const

function turnsOf(consumers: readonly Consumer[]): readonly Consumer[] {
  if (consumers.every(({ queue }) => queue.priority === undefined)) return consumers
  return PATTERN.flatMap((each) => consumers.filter(({ queue }) => (queue.priority ?? 'normal') === each))
}
