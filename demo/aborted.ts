/** One for each signal: with a new one for each round, `--repeat-after` would listen more and more often. */
const abortions = new WeakMap<AbortSignal, Promise<void>>()

/** Resolves when `signal` is aborted, or at once when it is. */
export function aborted(signal: AbortSignal): Promise<void> {
  let abortion = abortions.get(signal)
  if (abortion === undefined) {
    abortion = new Promise((resolve) => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    abortions.set(signal, abortion)
  }
  return abortion
}
