/** How a command ends: gracefully on the first signal, at once on the second. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
export type StopSignal = (typeof SIGNALS)[number]

/**
 * One Ctrl-C may arrive twice: the terminal signals every foreground process, and npm forwards the signal to its child. A
 * second signal this soon is the same Ctrl-C.
 */
const SAME_PRESS_MS = 500

/**
 * Calls `first` at the first SIGINT, SIGTERM or SIGHUP, and `again` at each one that comes more than half a second later.
 * Returns a function that removes the handlers.
 */
export function onStopSignals(first: (signal: StopSignal) => void, again: (signal: StopSignal) => void): () => void {
  let firstAt: number | undefined
  const onSignal = (signal: StopSignal): void => {
    const now = performance.now()
    if (firstAt === undefined) {
      firstAt = now
      first(signal)
    } else if (now - firstAt > SAME_PRESS_MS) {
      again(signal)
    }
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  return () => {
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
}

/** The exit code that a shell reports for this signal. */
export const exitCodeOf = (signal: StopSignal): number => ({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 })[signal]
