/**
 * Timers of any length. Node's own take 31 bits and fire after 1 ms beyond that, so longer ones are made of several;
 * `Infinity` never fires. Durations are measured with `performance.now()`: the wall clock may jump.
 */

/** Node's longest timer. */
const LONGEST_MS = 2 ** 31 - 1

/** Calls `act` once after `ms`. Returns what cancels it, which may be called at any time and more than once. */
export function startTimer(ms: number, act: () => void): () => void {
  if (ms === Number.POSITIVE_INFINITY) return () => undefined
  if (ms <= LONGEST_MS) {
    const timer = setTimeout(act, ms)
    return () => clearTimeout(timer)
  }
  const endsAt = performance.now() + ms
  let timer: NodeJS.Timeout
  const next = (): void => {
    const leftMs = endsAt - performance.now()
    timer = leftMs <= LONGEST_MS ? setTimeout(act, leftMs) : setTimeout(next, LONGEST_MS)
  }
  next()
  return () => clearTimeout(timer)
}

/** Resolves with true after `ms`, or with false as soon as `signal` is aborted. Never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve(false)
    const end = (finished: boolean): void => {
      cancel()
      signal?.removeEventListener('abort', aborted)
      resolve(finished)
    }
    const aborted = (): void => end(false)
    const cancel = startTimer(ms, () => end(true))
    signal?.addEventListener('abort', aborted)
  })
}
