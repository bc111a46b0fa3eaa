/**
 * How many messages a consumer should hold, from how long its attempts take.
 *
 * Holding more than runs hides the round trip to the broker, which on a quorum queue includes a write to disk on a
 * majority of nodes: with short tasks, a worker that holds two spends most of its time waiting. Holding more than that
 * takes work from idle workers: with long tasks, a message behind a running one waits while others have nothing to do.
 * So the buffer is measured in time, not in messages: what is held and not running should last about `BUFFER_MS`.
 */

import type { Attempt } from './attempt.js'
import type { Consumer } from './consumer.js'

/** Work in hand, in milliseconds: above the round trip of a loaded cluster, below what a person would notice. */
const BUFFER_MS = 100
/** Attempts longer than this gain nothing from a message in hand, and it would wait for one whole of them. */
const NO_BUFFER_MS = 1_000
/** More brings no speed, and is more to run again when a worker dies. */
const MAX_BUFFERED = 200
/** A change costs round trips and one more consumer, so a prefetch that is off by less stays. */
const GROWTH = 2
/** Less means giving messages back, which counts as a delivery of each: only for a change that is great, and stays. */
const SHRINKAGE = 4
const SHRINK_LOOKS = 3
/** Weight of the newest attempt in the moving average. */
const WEIGHT = 0.1

/** Where every consumer starts, knowing nothing, and what it never goes below. */
export const initialPrefetch = (concurrency: number): number => concurrency

export class PrefetchEstimate {
  readonly #concurrency: number
  #meanMs: number | undefined
  /** How many looks in a row have found the prefetch too great. */
  #tooGreat = 0

  constructor(concurrency: number) {
    this.#concurrency = concurrency
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
    if (wanted >= GROWTH * current) return wanted
    this.#tooGreat = SHRINKAGE * wanted <= current ? this.#tooGreat + 1 : 0
    if (this.#tooGreat < SHRINK_LOOKS) return current
    this.#tooGreat = 0
    return wanted
  }
}

/** How often the prefetch is looked at while there is work. */
const LOOK_MS = 200
/** And after so many attempts since the last rest, however soon that is: they end the cautious start. */
const EARLY_LOOKS: ReadonlySet<number> = new Set([2, 8, 32, 128])

/** Keeps the prefetch of a worker's consumers where their estimates want it. At rest it has no timer. */
export class PrefetchAdapter {
  readonly #concurrency: number
  /** Attempts that run or are being settled. */
  readonly #active: ReadonlySet<Attempt>
  readonly #estimates = new Map<Consumer, PrefetchEstimate>()
  #timer: NodeJS.Timeout | undefined
  /** Attempts finished since the worker was last at rest. */
  #finished = 0

  constructor(concurrency: number, active: ReadonlySet<Attempt>) {
    this.#concurrency = concurrency
    this.#active = active
  }

  add(consumer: Consumer): void {
    const forget = () => this.#estimates.set(consumer, new PrefetchEstimate(this.#concurrency))
    forget()
    // What was learned before a rest may not be true after it, and a wrong guess keeps work from idle workers.
    consumer.on('renewed', () => {
      forget()
      this.#finished = 0
    })
  }

  started(): void {
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS)
  }

  finished(consumer: Consumer, durationMs: number): void {
    this.#estimates.get(consumer)?.observe(durationMs)
    if (EARLY_LOOKS.has(++this.#finished)) this.#look()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    if (this.#active.size === 0) {
      this.stop()
      this.#finished = 0
    }
    for (const [consumer, estimate] of this.#estimates) {
      const prefetch = estimate.next(consumer.prefetch, this.#longestRunningMs(consumer))
      if (prefetch !== consumer.prefetch) void consumer.adjust(prefetch)
    }
  }

  #longestRunningMs(consumer: Consumer): number {
    let longest = 0
    for (const { delivery, running, durationMs } of this.#active) {
      if (running && delivery.consumer === consumer) longest = Math.max(longest, durationMs)
    }
    return longest
  }
}
