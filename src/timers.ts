/**
 * Timers of any length. Node's timers take 31 bits and fire after 1 ms beyond that, so longer ones are split into several;
 * `Infinity` never fires. Durations are measured with `performance.now()`, because the wall clock may jump.
 */

/** Node's longest timer. */
const LONGEST_MS = 2 ** 31 - 1

/** Calls `act` once after `ms`. Returns a function that cancels it, which may be called at any time and more than once. */
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
      forget()
      resolve(finished)
    }
    const cancel = startTimer(ms, () => end(true))
    const forget = onAbort(signal, () => end(false))
  })
}

interface Aborting {
  readonly acts: Set<() => void>
  readonly listener: () => void
}

/** One shared listener on each signal: Node warns about a leak from the eleventh on. */
const aborting = new WeakMap<AbortSignal, Aborting>()

/**
 * Calls `act` once when `signal` is aborted; never for a signal that is already aborted. Returns a function that removes `act`.
 */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal === undefined) return () => undefined
  const shared = aborting.get(signal) ?? listen(signal)
  const once = (): void => act()
  shared.acts.add(once)
  return () => {
    shared.acts.delete(once)
    if (shared.acts.size > 0 || aborting.get(signal) !== shared) return
    aborting.delete(signal)
    signal.removeEventListener('abort', shared.listener)
  }
}

function listen(signal: AbortSignal): Aborting {
  const acts = new Set<() => void>()
  const listener = (): void => {
    aborting.delete(signal)
    signal.removeEventListener('abort', listener)
    for (const act of [...acts]) act()
  }
  signal.addEventListener('abort', listener)
  const shared = { acts, listener }
  aborting.set(signal, shared)
  return shared
}
