import { setTimeout as delay } from 'node:timers/promises'
import { textOf } from 'warren'

/** Tries again what may fail while a cluster heals; the last problem is what it rejects with. */
export async function persist<T>(
  what: string,
  act: () => Promise<T>,
  signal: AbortSignal,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    signal.throwIfAborted()
    try {
      return await act()
    } catch (problem) {
      if (Date.now() > deadline) throw new Error(`${what} failed: ${textOf(problem)}`, { cause: problem })
      await delay(300, undefined, { signal })
    }
  }
}
