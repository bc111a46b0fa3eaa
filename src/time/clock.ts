/** The clock that decides when messages are due or expire. */
export interface Clock {
  /** Whole milliseconds since 1970. */
  now(): number
  /** How much `now` may truncate: up to a millisecond unless it says otherwise. */
  readonly truncatesMs?: number
}

/** This machine's clock. */
export const localClock: Clock = { now: () => Date.now() }

/** How often to query the store's time. */
const MEASURE_EVERY_MS = 60_000
/** The fastest of this many answers is used: a slow answer is less precise. */
const TRIES = 5
/** No more attempts after this time, because `connect()` waits for them. */
const TRYING_MS = 500
/** If the machine's clock differs by this much from the elapsed time, it was changed or the machine slept. */
const JUMP_MS = 500

/**
 * The store's clock, which all its clients share. Its difference from this machine's clock is measured at the start and each
 * minute; differences smaller than the measurement error are ignored. In between, time advances by `performance.now()`, so
 * changing this machine's clock has no effect. Until the store answers, this machine's clock is used.
 */
export class StoreClock implements Clock {
  /** The store's time, in milliseconds since 1970. */
  readonly #ask: () => Promise<number>
  /** The offset added to `performance.now()`; undefined before the first answer. */
  #base: number | undefined
  /** The same for this machine's clock when it was measured. */
  #localBase = 0
  #offsetMs = 0
  #measuring: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(ask: () => Promise<number>) {
    this.#ask = ask
  }

  /** The store's clock minus this machine's, in milliseconds, as last measured. */
  get offsetMs(): number {
    return this.#offsetMs
  }

  now(): number {
    if (this.#base === undefined) return Date.now()
    const passed = performance.now()
    const localBase = Date.now() - passed
    if (Math.abs(localBase - this.#localBase) > JUMP_MS) {
      // Once for each jump, whatever the result.
      this.#localBase = localBase
      void this.measure()
    }
    return Math.floor(passed + this.#base)
  }

  /** Never rejects: without an answer, the known offset stays. */
  measure(): Promise<void> {
    this.#measuring ??= this.#measure().finally(() => {
      this.#measuring = undefined
    })
    return this.#measuring
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  async #measure(): Promise<void> {
    clearTimeout(this.#timer)
    const tryingFrom = performance.now()
    let best: { readonly offsetMs: number; readonly roundMs: number } | undefined
    try {
      for (let tries = 0; tries < TRIES && performance.now() - tryingFrom < TRYING_MS; tries++) {
        const [sentAt, startedAt] = [Date.now(), performance.now()]
        const told = await this.#ask()
        const roundMs = performance.now() - startedAt
        if (best === undefined || roundMs < best.roundMs) best = { offsetMs: told - (sentAt + roundMs / 2), roundMs }
      }
    } catch {
      // An earlier answer is still usable.
    }
    if (best !== undefined && Number.isFinite(best.offsetMs)) this.#take(best)
    if (!this.#closed) this.#timer = setTimeout(() => void this.measure(), MEASURE_EVERY_MS).unref()
  }

  #take({ offsetMs, roundMs }: { readonly offsetMs: number; readonly roundMs: number }): void {
    // The store read its clock at some moment of the round trip; `Date.now()` truncates up to a millisecond.
    const uncertainMs = roundMs / 2 + 1
    const beyondMs = Math.max(0, Math.abs(offsetMs) - uncertainMs)
    this.#offsetMs = offsetMs < 0 ? 0 - beyondMs : beyondMs
    this.#localBase = Date.now() - performance.now()
    this.#base = this.#localBase + this.#offsetMs
  }
}
