/**
 * A clock that moves when the test says so: `setTimeout`, `setInterval`, `setImmediate`, `Date` and `performance.now()`
 * together. Promises go on as ever. Nothing that waits for a socket or a process belongs under it, and neither does
 * `node:timers/promises`, which it cannot reach: `pause` of src/timers.ts is the way to wait.
 */
import { vi } from 'vitest'

const FAKED = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
  'Date',
  'performance',
] as const

export class FakeClock {
  /** Takes the clock over until the test ends; dispose it with `using`, or call `stop`. */
  constructor(at: Date = new Date('2026-01-01T00:00:00Z')) {
    vi.useFakeTimers({ toFake: [...FAKED], now: at })
  }

  /** Moves on by `ms`, runs what comes due on the way, and lets promises go on in between. */
  async advance(ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms)
  }

  /** Lets everything that is due now, and the promises after it, run; no time passes. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 10; turn++) await vi.advanceTimersByTimeAsync(0)
  }

  /** Moves on in small steps until `fact` is true. Throws with its name after `limitMs` of the fake time. */
  async until(what: string, fact: () => boolean, limitMs = 60_000): Promise<void> {
    const stepMs = 5
    for (let passedMs = 0; !fact(); passedMs += stepMs) {
      if (passedMs > limitMs) throw new Error(`not after ${limitMs} ms: ${what}`)
      await this.advance(stepMs)
    }
  }

  /** How many timers are set. */
  get timers(): number {
    return vi.getTimerCount()
  }

  /** The wall clock jumps, as when it is set; durations do not. */
  jumpTo(at: Date): void {
    vi.setSystemTime(at)
  }

  stop(): void {
    vi.useRealTimers()
  }

  [Symbol.dispose](): void {
    this.stop()
  }
}
