/** The clock by which messages are due and expire. */
export interface Clock {
  /** Whole milliseconds since 1970. */
  now(): number
}

/** This machine's own. */
export const localClock: Clock = { now: () => Date.now() }

/** How often the store is asked for its time. */
const MEASURE_EVERY_MS = 60_000
/** Of so many answers the quickest counts: the longer one takes, the less it says. */
const TRIES = 5
/** No more tries after this: whoever connects waits for them. */
const TRYING_MS = 500
/** The machine's clock was set, or the machine slept, when it differs by this from how much time has passed. */
const JUMP_MS = 500

/**
 * The store's clock, as all who share the store see it. How far it is from this machine's is measured at the start and
 * again each minute; a difference that is smaller than what the measuring leaves open counts as none. In between, time
 * passes as `performance.now()` says, so that somebody who sets this machine's clock changes nothing. Until the first
 * answer, and for as long as the store does not say, it is this machine's own.
 */
export class StoreClock implements Clock {
  /** The store's time, in milliseconds since 1970. */
  readonly #ask: () => Promise<number>
  /** What is to be added to `performance.now()`; undefined before the first answer. */
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

  /** How far the store's clock is ahead of this machine's, in milliseconds, as it was measured last. */
  get offsetMs(): number {
    return this.#offsetMs
  }

  now(): number {
    if (this.#base === undefined) return Date.now()
    const passed = performance.now()
    const localBase = Date.now() - passed
    if (Math.abs(localBase - this.#localBase) > JUMP_MS) {
      // Once for each jump, whatever comes of it.
      this.#localBase = localBase
      void this.measure()
    }
    return Math.floor(passed + this.#base)
  }

  /** Never rejects: without an answer what is known stays. */
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
      // One that answered before has said something all the same.
    }
    if (best !== undefined && Number.isFinite(best.offsetMs)) this.#take(best)
    if (!this.#closed) this.#timer = setTimeout(() => void this.measure(), MEASURE_EVERY_MS).unref()
  }

  #take({ offsetMs, roundMs }: { readonly offsetMs: number; readonly roundMs: number }): void {
    // The store looked at its clock at some instant of the round; `Date.now()` leaves out up to a millisecond.
    const uncertainMs = roundMs / 2 + 1
    const beyondMs = Math.max(0, Math.abs(offsetMs) - uncertainMs)
    this.#offsetMs = offsetMs < 0 ? 0 - beyondMs : beyondMs
    this.#localBase = Date.now() - performance.now()
    this.#base = this.#localBase + this.#offsetMs
  }
}
