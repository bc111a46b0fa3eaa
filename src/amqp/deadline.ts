import { startTimer } from '../timers.js'

/** Rejects when `promise` takes longer than `ms`. The work behind it goes on: whoever calls must be able to drop it. */
export async function withDeadline<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let cancel = (): void => undefined
  const late = new Promise<never>((_, reject) => {
    cancel = startTimer(ms, () => reject(new Error(`${what} took longer than ${ms} ms`)))
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    cancel()
  }
}
