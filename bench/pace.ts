/** Calls at a steady rate, whether or not the earlier ones have ended, as callers who know nothing of each other do. */

export interface Pace {
  readonly count: number
  readonly ratePerSecond: number
}

/** Timers come about a millisecond apart, at best. */
const TICK_MS = 1

/**
 * Gives how long each call took, in milliseconds, counted from the instant at which it was due: a call that began late
 * because others held up the process was slow for its caller.
 */
export async function paced({ count, ratePerSecond }: Pace, call: () => Promise<unknown>): Promise<number[]> {
  const from = performance.now()
  const latencies: number[] = []
  const running: Promise<void>[] = []
  await new Promise<void>((resolve) => {
    const tick = setInterval(() => {
      const due = Math.min(count, Math.floor(((performance.now() - from) * ratePerSecond) / 1000))
      while (running.length < due) {
        const dueAt = from + ((running.length + 1) * 1000) / ratePerSecond
        running.push(call().then(() => void latencies.push(performance.now() - dueAt)))
      }
      if (running.length < count) return
      clearInterval(tick)
      resolve()
    }, TICK_MS)
  })
  await Promise.all(running)
  return latencies
}
