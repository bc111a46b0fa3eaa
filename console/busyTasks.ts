/** Which tasks keep the workers busy, from what their `/metrics` count. Pure; memory: one entry for each look. */
import type { LatencyView } from './snapshot.js'
import type { Sample } from './workerMetrics.js'

export interface BusyTaskView {
  readonly task: string
  /** Attempts that ended, a second. */
  readonly perSecond: number
  /** The share of them that failed, from 0 to 1. */
  readonly failed: number
  /** Milliseconds; absent where no handler ended. */
  readonly p95?: number
}

interface Counts {
  readonly all: number
  readonly failed: number
}

const WINDOW_MS = 30_000
const MAX_GAP_MS = 15_000
/** Tasks have names from code; still, a stranger's must not grow this without end. */
const MAX_TASKS = 50
const FAILED = new Set(['retried', 'deadLettered'])

export class BusyTasks {
  readonly #last = new Map<string, ReadonlyMap<string, Counts>>()
  #added: { readonly at: number; readonly grown: ReadonlyMap<string, Counts> }[] = []
  /** When counting began, which may be less than a window ago. */
  #since: number | undefined
  #lookedAt = 0

  add(at: number, worker: string, samples: readonly Sample[]): void {
    // Nobody looked for a while: what ended meanwhile did not end now.
    if (at - this.#lookedAt > MAX_GAP_MS) {
      this.#last.clear()
      this.#added = []
      this.#since = at
    }
    this.#lookedAt = at
    const now = countsOf(samples)
    const before = this.#last.get(worker)
    this.#last.set(worker, now)
    if (before === undefined) return
    const grown = new Map<string, Counts>()
    for (const [task, counts] of now) {
      const old = before.get(task)
      // Counts that went back are those of a new process.
      const from = old === undefined || old.all > counts.all ? { all: 0, failed: 0 } : old
      if (counts.all > from.all) grown.set(task, { all: counts.all - from.all, failed: counts.failed - from.failed })
    }
    if (grown.size > 0) this.#added.push({ at, grown })
  }

  forget(worker: string): void {
    this.#last.delete(worker)
  }

  /** The busiest first; undefined before two looks at any worker. */
  views(now: number, latency: readonly LatencyView[]): BusyTaskView[] | undefined {
    if (this.#since === undefined || now <= this.#since) return undefined
    this.#added = this.#added.filter(({ at }) => at > now - WINDOW_MS)
    const seconds = Math.min(WINDOW_MS, now - this.#since) / 1_000
    const sums = new Map<string, Counts>()
    for (const { grown } of this.#added) {
      for (const [task, { all, failed }] of grown) {
        const sum = sums.get(task) ?? { all: 0, failed: 0 }
        if (sums.has(task) || sums.size < MAX_TASKS) sums.set(task, { all: sum.all + all, failed: sum.failed + failed })
      }
    }
    return [...sums]
      .map(([task, { all, failed }]) => {
        const p95 = latency.find((each) => each.task === task)?.p95
        return { task, perSecond: all / seconds, failed: failed / all, ...(p95 === undefined ? {} : { p95 }) }
      })
      .sort((a, b) => b.perSecond - a.perSecond)
  }
}

function countsOf(samples: readonly Sample[]): Map<string, Counts> {
  const counts = new Map<string, Counts>()
  for (const { name, labels, value } of samples) {
    if (name !== 'warren_attempts_total') continue
    const { task = '', outcome = '' } = labels
    const { all, failed } = counts.get(task) ?? { all: 0, failed: 0 }
    counts.set(task, { all: all + value, failed: failed + (FAILED.has(outcome) ? value : 0) })
  }
  return counts
}
