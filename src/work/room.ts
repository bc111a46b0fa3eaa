/**
 * Keeps a worker of many queues from holding messages that it cannot start soon, while other workers are idle. Each
 * queue's consumer holds at least one message, so ten queues of long tasks would hold ten.
 *
 *     subscribed ──full: more could come than there is room for──▶ fetching ──all queues empty, or room for all──▶ subscribed
 *
 * While fetching, the consumers rest, and for each place that becomes free the queues are asked in turn for one message.
 * What came too many at the change is requeued, once: requeuing counts as a delivery.
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
  /** Requeues this many of those that wait, newest first. */
  giveBackNewest(count: number): void
}

/** Nothing is held that cannot start within this time. */
const SOON_MS = 1_000
/** How long an acknowledgement waits for its consumer to rest. */
const REST_LIMIT_MS = 1_000

export class Room {
  readonly #concurrency: number
  readonly #workload: Workload
  readonly #consumers: Consumer[] = []
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
  }

  close(): void {
    this.#closed = true
  }

  /** Called whenever what is in hand has changed. */
  update(): void {
    if (this.#consumers.length < 2 || this.#closed) return
    const places = this.#places
    if (this.#mode === 'subscribed') {
      if (this.#held >= places && places < this.#capacity) this.#fill(places)
    } else if (places >= this.#capacity) {
      this.#wake()
    } else if (this.#held < places && !this.#asking) {
      void this.#ask()
    }
  }

  /** To be awaited before a delivery is acknowledged: its consumer must not get another one for it. */
  beforeAck({ queue }: Delivery): Promise<unknown> | undefined {
    if (this.#mode === 'subscribed') return undefined
    const consumer = this.#consumers.find((each) => each.queue === queue)
    if (consumer === undefined || !consumer.subscribed) return undefined
    return Promise.race([consumer.rest(), pause(REST_LIMIT_MS)])
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
    return this.#consumers.reduce((sum, { prefetch }) => sum + prefetch, 0)
  }

  #fill(places: number): void {
    this.#mode = 'fetching'
    // One that holds all it may gets no more; it rests before its next acknowledgement.
    for (const consumer of this.#consumers) if (consumer.outstanding < consumer.prefetch) void consumer.rest()
    this.#workload.giveBackNewest(this.#held - places)
  }

  #wake(): void {
    this.#mode = 'subscribed'
    for (const consumer of this.#consumers) void consumer.wake()
  }

  /** Asks the queues in turn until there is no room or nothing to fetch. */
  async #ask(): Promise<void> {
    this.#asking = true
    let misses = 0
    while (this.#mode === 'fetching' && !this.#closed && misses < this.#consumers.length && this.#held < this.#places) {
      const consumer = this.#consumers[this.#turn++ % this.#consumers.length]
      if (consumer === undefined) break
      // A subscribed one holds all it may, or is about to rest.
      const found = !consumer.subscribed && (await consumer.fetch())
      misses = found ? 0 : misses + 1
    }
    this.#asking = false
    if (this.#mode === 'fetching' && !this.#closed && misses >= this.#consumers.length) this.#wake()
  }
}
