/** What a worker's `/metrics` says, read and set against what it said before. Pure. */
import type { LatencyView } from './snapshot.js'

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const LINE = /^((?:warren|rabbitmq)_[a-z_]+)(?:\{(.*)\})? (\S+)$/
const LABEL = /([a-z_]+)="((?:[^"\\]|\\.)*)"/g

/** Warren's and RabbitMQ's samples in Prometheus' text format; whatever is none of them is left out. */
export function parseMetrics(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, name, labels = '', number] = LINE.exec(line) ?? []
    if (name === undefined) return []
    const pairs = [...labels.matchAll(LABEL)].map(([, label = '', value = '']): [string, string] => [
      label,
      value.replaceAll(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character)),
    ])
    return [{ name, labels: Object.fromEntries(pairs), value: Number(number) }]
  })
}

export const total = (samples: readonly Sample[], name: string): number =>
  samples.reduce((sum, each) => (each.name === name ? sum + each.value : sum), 0)

/** How many attempts took at most `le` seconds: cumulative, as Prometheus counts, by task. */
type Buckets = ReadonlyMap<string, ReadonlyMap<number, number>>

function bucketsOf(samples: readonly Sample[]): Buckets {
  const byTask = new Map<string, Map<number, number>>()
  for (const { name, labels, value } of samples) {
    if (name !== 'warren_attempt_duration_seconds_bucket') continue
    const { task = '', le = '' } = labels
    const buckets = byTask.get(task) ?? new Map<number, number>()
    buckets.set(le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le), value)
    byTask.set(task, buckets)
  }
  return byTask
}

/** Tasks have names from code; still, a stranger's must not grow this without end. */
const MAX_TASKS = 50

/** How long handlers ran over the last while, from the counts of all workers. Memory: one entry for each scrape. */
export class Latency {
  readonly #windowMs: number
  readonly #last = new Map<string, Buckets>()
  #added: { readonly at: number; readonly task: string; readonly counts: ReadonlyMap<number, number> }[] = []

  constructor(windowMs = 30_000) {
    this.#windowMs = windowMs
  }

  add(at: number, worker: string, samples: readonly Sample[]): void {
    const now = bucketsOf(samples)
    const before = this.#last.get(worker)
    this.#last.set(worker, now)
    if (before === undefined) return
    for (const [task, buckets] of now) {
      const old = before.get(task)
      const whole = Number.POSITIVE_INFINITY
      // Counts that went back are those of a new process.
      const restarted = (old?.get(whole) ?? 0) > (buckets.get(whole) ?? 0)
      const counts = new Map([...buckets].map(([le, count]) => [le, count - (restarted ? 0 : (old?.get(le) ?? 0))]))
      if ((counts.get(whole) ?? 0) > 0) this.#added.push({ at, task, counts })
    }
  }

  forget(worker: string): void {
    this.#last.delete(worker)
  }

  views(now: number): LatencyView[] {
    this.#added = this.#added.filter(({ at }) => at > now - this.#windowMs)
    const byTask = new Map<string, Map<number, number>>()
    for (const { task, counts } of this.#added) {
      if (!byTask.has(task) && byTask.size >= MAX_TASKS) continue
      const sums = byTask.get(task) ?? new Map<number, number>()
      for (const [le, count] of counts) sums.set(le, (sums.get(le) ?? 0) + count)
      byTask.set(task, sums)
    }
    return [...byTask]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([task, counts]) => ({
        task,
        count: counts.get(Number.POSITIVE_INFINITY) ?? 0,
        p50: percentile(counts, 0.5),
        p95: percentile(counts, 0.95),
        p99: percentile(counts, 0.99),
      }))
  }
}

/** Milliseconds; within its bucket it is taken as evenly spread, as Prometheus' `histogram_quantile` does. */
export function percentile(cumulative: ReadonlyMap<number, number>, share: number): number {
  const buckets = [...cumulative].sort(([a], [b]) => a - b)
  const wanted = share * (cumulative.get(Number.POSITIVE_INFINITY) ?? 0)
  let [below, countBelow] = [0, 0]
  for (const [le, count] of buckets) {
    if (count >= wanted && count > countBelow) {
      // Nothing is known of how far beyond the last bound it went.
      if (le === Number.POSITIVE_INFINITY) break
      return 1000 * (below + ((le - below) * (wanted - countBelow)) / (count - countBelow))
    }
    if (le !== Number.POSITIVE_INFINITY) [below, countBelow] = [le, count]
  }
  return below * 1000
}
