/** Work in bounds: how many a second, and how many at the same time. */
import { pause } from '../timers.js'

/** How much of a delay is made up for: a long one must not be followed by a flood. */
const MAX_CATCH_UP_MS = 100
/** Timers are late by about this much, so shorter waits are saved up. */
const SHORTEST_WAIT_MS = 5

/** Lets through `rate` calls a second; undefined lets all through. */
export class Pace {
  readonly #intervalMs: number
  #dueAt: number | undefined

  constructor(rate: number | undefined) {
    this.#intervalMs = rate === undefined ? 0 : 1_000 / rate
  }

  /** Resolves when the next one may go, or the signal is aborted. */
  async next(signal?: AbortSignal): Promise<void> {
    const now = performance.now()
    const dueAt = Math.max((this.#dueAt ?? now - this.#intervalMs) + this.#intervalMs, now - MAX_CATCH_UP_MS)
    this.#dueAt = dueAt
    if (dueAt - now >= SHORTEST_WAIT_MS) await pause(dueAt - now, signal)
  }
}

/** Messages on their way to being confirmed: a bounded number of them, and of their bytes. */
export class Flight {
  readonly #maxCount: number
  readonly #maxBytes: number
  readonly #landed = new Set<() => void>()
  #count = 0
  #bytes = 0

  constructor(maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount
    this.#maxBytes = maxBytes
  }

  /** Resolves once there is room for one more. */
  async room(): Promise<void> {
    while (this.#count >= this.#maxCount || this.#bytes >= this.#maxBytes) await this.#landing()
  }

  /** Resolves once nothing is on its way. */
  async empty(): Promise<void> {
    while (this.#count > 0) await this.#landing()
  }

  /** `sending` must not reject. */
  add(bytes: number, sending: Promise<void>): void {
    this.#count++
    this.#bytes += bytes
    void sending.finally(() => {
      this.#count--
      this.#bytes -= bytes
      for (const resolve of this.#landed) resolve()
      this.#landed.clear()
    })
  }

  #landing(): Promise<void> {
    return new Promise((resolve) => this.#landed.add(resolve))
  }
}
