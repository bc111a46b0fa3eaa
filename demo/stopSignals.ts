/** What a command does when it is told to end: once gently, and when it is told again, at once. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
export type StopSignal = (typeof SIGNALS)[number]

/**
 * One Ctrl-C may come twice: a terminal tells every process in the foreground, and npm, being one of them, passes it on
 * to what it runs. What comes so soon is the same Ctrl-C.
 */
const SAME_PRESS_MS = 500

/**
 * Calls `first` at the first SIGINT, SIGTERM or SIGHUP, and `again` at each one that comes more than half a second later.
 * Returns what takes the handlers off.
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

/** How a shell names the end of a process by this signal. */
export const exitCodeOf = (signal: StopSignal): number => ({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 })[signal]
