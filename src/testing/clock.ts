/** The clock of an in-memory Warren: it stands still until a test advances it, and then runs due timers in order. */
import type { Clock } from '../time/clock.js'

interface Timer {
  readonly at: number
  readonly act: () => void
}

export class TestClock implements Clock {
  #now: number
  readonly #timers = new Set<Timer>()

  constructor(now: number) {
    this.#now = Math.floor(now)
  }

  readonly now = (): number => this.#now
  /** A test that advances by a task's delay has reached it. */
  readonly truncatesMs = 0

  /** Calls `act` once the clock reaches `at`. Returns a function that cancels it. */
  at(at: number, act: () => void): () => void {
    const timer = { at, act }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  /** As of `src/timers.ts`, by this clock. */
  readonly startTimer = (ms: number, act: () => void): (() => void) =>
    ms === Number.POSITIVE_INFINITY ? () => undefined : this.at(this.#now + Math.ceil(ms), act)

  /** When the next timer is due; undefined without any. */
  get next(): number | undefined {
    let next: number | undefined
    for (const { at } of this.#timers) if (next === undefined || at < next) next = at
    return next
  }

  /** Advances the clock, never back, and runs due timers, the earliest first. */
  moveTo(now: number): void {
    this.#now = Math.max(this.#now, now)
    const due = [...this.#timers].filter(({ at }) => at <= this.#now).sort((a, b) => a.at - b.at)
    for (const timer of due) if (this.#timers.delete(timer)) timer.act()
  }
}
