/** Resolves after `ms`, `Infinity` for never, or as soon as one of the signals is aborted. Leaves no timer and no listener. */
export function pause(ms: number, ...signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined
    const end = (): void => {
      clearTimeout(timer)
      for (const signal of signals) signal.removeEventListener('abort', end)
      resolve()
    }
    if (signals.some(({ aborted }) => aborted)) return resolve()
    if (ms !== Number.POSITIVE_INFINITY) timer = setTimeout(end, ms)
    for (const signal of signals) signal.addEventListener('abort', end)
  })
}
