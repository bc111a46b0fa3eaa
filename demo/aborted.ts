/** One for each signal: with a new one for each round, `--repeat-after` would add listeners without end. */
const abortions = new WeakMap<AbortSignal, Promise<void>>()

/** Resolves when `signal` is aborted, or at once if it already is. */
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
