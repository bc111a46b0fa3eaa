/** Limits work: a maximum rate and a maximum number in flight. */
import { pause } from '../timers.js'

/** How much of a delay is caught up: a long delay must not be followed by a flood. */
const MAX_CATCH_UP_MS = 100
/** Timers are late by about this much, so shorter waits are accumulated. */
const SHORTEST_WAIT_MS = 5

/** Lets through `rate` calls a second; undefined lets all through. */
export class Pace {
  readonly #intervalMs: number
  #dueAt: number | undefined

  constructor(rate: number | undefined) {
    this.#intervalMs = rate === undefined ? 0 : 1_000 / rate
  }

  /** Resolves when the next call may start, or the signal is aborted. */
  async next(signal?: AbortSignal): Promise<void> {
    const now = performance.now()
    const dueAt = Math.max((this.#dueAt ?? now - this.#intervalMs) + this.#intervalMs, now - MAX_CATCH_UP_MS)
    this.#dueAt = dueAt
    if (dueAt - now >= SHORTEST_WAIT_MS) await pause(dueAt - now, signal)
  }
}

/** Unconfirmed messages: a bounded number of messages and bytes. */
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

  /** Resolves once there is room for another message. */
  async room(): Promise<void> {
    while (this.#count >= this.#maxCount || this.#bytes >= this.#maxBytes) await this.#landing()
  }

  /** Resolves once no message is in flight. */
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
