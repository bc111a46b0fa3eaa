/** Waits for facts: nothing in the cluster relies on fixed delays. */
import { setTimeout as delay } from 'node:timers/promises'
import { textOf } from 'warren'
import { ClusterError } from './errors.js'

/** Returns undefined when the fact holds, or else what is still missing. Throwing counts as missing. */
export type Fact = (signal: AbortSignal) => Promise<string | undefined>

export interface WaitOptions {
  readonly timeoutMs: number
  /** Ends the wait early; its reason is what `waitFor` rejects with. */
  readonly signal?: AbortSignal
  readonly intervalMs?: number
}

/** One poll must not outlast the wait: a frozen server accepts a connection and never answers. */
const POLL_TIMEOUT_MS = 3_000

/** Resolves once `fact` holds. The error of a timeout names the fact and what was missing last. */
export async function waitFor(what: string, fact: Fact, options: WaitOptions): Promise<void> {
  const { timeoutMs, signal, intervalMs = 100 } = options
  const deadline = Date.now() + timeoutMs
  let missing: string | undefined = 'not asked yet'
  for (;;) {
    signal?.throwIfAborted()
    try {
      missing = await fact(AbortSignal.any([AbortSignal.timeout(POLL_TIMEOUT_MS), ...(signal ? [signal] : [])]))
    } catch (problem) {
      missing = problem instanceof Error && problem.cause !== undefined ? textOf(problem.cause) : textOf(problem)
    }
    if (missing === undefined) return
    if (Date.now() >= deadline) {
      throw new ClusterError('NOT_READY', `Timed out after ${timeoutMs / 1000} s waiting for ${what}: ${missing}`)
    }
    await delay(intervalMs, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted())
  }
}
