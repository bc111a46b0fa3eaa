/** Waits that end: what a person asked for is answered, whatever the broker, the store or the launcher does. */
import { Refusal } from './refusal.js'

/** Rejects with a refusal when `work` has not settled after `ms`; the work itself goes on. */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Refusal(503, 'NO_ANSWER', `${what} has not answered for ${ms / 1_000} s: try again later`)),
      ms,
    )
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
