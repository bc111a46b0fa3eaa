/**
 * How many messages a consumer should hold, from how long its attempts take.
 *
 * Holding more than runs hides the round trip to the broker, which on a quorum queue includes a write to disk on a
 * majority of nodes: with short tasks, a worker that holds two spends most of its time waiting. Holding more than that
 * takes work from idle workers: with long tasks, a message behind a running one waits while others have nothing to do.
 * So the buffer is measured in time, not in messages: what is held and not running should last about `BUFFER_MS`, for
 * the worker as a whole; its busy queues share it.
 */

/** Work in hand, in milliseconds: above the round trip of a loaded cluster, below what a person would notice. */
const BUFFER_MS = 100
/** Attempts longer than this gain nothing from a message in hand, and it would wait for one whole of them. */
const NO_BUFFER_MS = 1_000
/** More brings no speed, and is more to run again when a worker dies. */
const MAX_BUFFERED = 200
/** A change costs round trips and one more subscription, so a prefetch that is off by less stays. */
const GROWTH = 2
/** Less means giving messages back, which counts as a delivery of each: only for a change that is great, and stays. */
const SHRINKAGE = 4
const SHRINK_LOOKS = 3
/** Weight of the newest attempt in the moving average. */
const WEIGHT = 0.1

/** Where each of a worker's consumers starts, knowing nothing: together they hold about twice what can run. */
export const initialPrefetch = (concurrency: number, queues: number): number =>
  Math.min(concurrency, Math.max(1, Math.ceil((2 * concurrency) / queues)))

/** A moving average of how long attempts take; undefined before the first. */
export class MeanDuration {
  #ms: number | undefined

  get ms(): number | undefined {
    return this.#ms
  }

  observe(durationMs: number): void {
    this.#ms = this.#ms === undefined ? durationMs : this.#ms + WEIGHT * (durationMs - this.#ms)
  }
}

export class PrefetchEstimate {
  readonly #concurrency: number
  readonly #mean = new MeanDuration()
  /** How many looks in a row have found the prefetch too great. */
  #tooGreat = 0

  constructor(concurrency: number) {
    this.#concurrency = concurrency
  }

  /** An attempt took this long. */
  observe(durationMs: number): void {
    this.#mean.observe(durationMs)
  }

  /**
   * The prefetch to have now, given what it is, how long the attempt that runs longest has been running, and how many
   * busy queues share the worker: a task that was always short and now hangs must not keep others waiting behind it.
   */
  next(current: number, longestRunningMs: number, busyQueues = 1): number {
    const wanted = this.wanted(longestRunningMs, busyQueues)
    if (wanted === undefined) return current
    if (wanted >= GROWTH * current) return wanted
    this.#tooGreat = SHRINKAGE * wanted <= current ? this.#tooGreat + 1 : 0
    if (this.#tooGreat < SHRINK_LOOKS) return current
    this.#tooGreat = 0
    return wanted
  }

  /** The same, whatever it is now; undefined while nothing is known. */
  wanted(longestRunningMs: number, busyQueues = 1): number | undefined {
    if (this.#mean.ms === undefined && longestRunningMs < BUFFER_MS) return undefined
    const expectedMs = Math.max(this.#mean.ms ?? 0, longestRunningMs, 0.1)
    const buffered = expectedMs > NO_BUFFER_MS ? 0 : Math.ceil((BUFFER_MS / expectedMs) * this.#concurrency)
    return Math.max(1, Math.ceil((this.#concurrency + Math.min(buffered, MAX_BUFFERED)) / busyQueues))
  }
}
