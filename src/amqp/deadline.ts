import { startTimer } from '../timers.js'

/** Rejects when `promise` takes longer than `ms`. The work behind it continues, so the caller must be able to ignore it. */
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
