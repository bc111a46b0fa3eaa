/**
 * How many messages a consumer should hold, from how long its attempts take. Pure.
 *
 * Holding more than runs hides the round trip to the broker, which on a quorum queue includes a write to disk on a
 * majority of nodes: with short tasks, a worker that holds two spends most of its time waiting. Holding more than that
 * takes work from idle workers: with long tasks, a message behind a running one waits while others have nothing to do.
 * So the buffer is measured in time, not in messages: what is held and not running should last about `BUFFER_MS`.
 */

/** Work in hand, in milliseconds: above the round trip of a loaded cluster, below what a person would notice. */
const BUFFER_MS = 100
/** Attempts longer than this gain nothing from a message in hand, and it would wait for one whole of them. */
const NO_BUFFER_MS = 1_000
/** More brings no speed, and is more to run again when a worker dies. */
const MAX_BUFFERED = 200
/** A change costs two round trips, so a prefetch that is off by less stays. */
const CHANGE = 1.5
/** Weight of the newest attempt in the moving average. */
const WEIGHT = 0.1

export class PrefetchEstimate {
  readonly #concurrency: number
  #meanMs: number | undefined

  constructor(concurrency: number) {
    this.#concurrency = concurrency
  }

  /** Where every consumer starts, knowing nothing. */
  get initial(): number {
    return 2 * this.#concurrency
  }

  /** An attempt took this long. */
  observe(durationMs: number): void {
    this.#meanMs = this.#meanMs === undefined ? durationMs : this.#meanMs + WEIGHT * (durationMs - this.#meanMs)
  }

  /**
   * The prefetch to have now, given what it is and how long the attempt that runs longest has been running: a task that
   * was always short and now hangs must not keep others waiting behind it.
   */
  next(current: number, longestRunningMs: number): number {
    if (this.#meanMs === undefined && longestRunningMs < BUFFER_MS) return current
    const expectedMs = Math.max(this.#meanMs ?? 0, longestRunningMs, 0.1)
    const buffered = expectedMs > NO_BUFFER_MS ? 0 : Math.ceil((BUFFER_MS / expectedMs) * this.#concurrency)
    const wanted = this.#concurrency + Math.min(buffered, MAX_BUFFERED)
    return wanted >= CHANGE * current || CHANGE * wanted <= current ? wanted : current
  }
}
