/** The numbers behind the charts, over the last hour. Bounded: the oldest go. Memory is kept when nobody looks. */
import type { Snapshot } from './snapshot.js'

export const SERIES = [
  'published',
  'delivered',
  'finished',
  'deadLettered',
  'ready',
  'unacknowledged',
  'p50',
  'p95',
  'p99',
] as const

/** One row: seconds since 1970, then a value for each of {@link SERIES}; null where nothing is known. */
export type Row = readonly (number | null)[]

const MAX_ROWS = 1_800

export function rowOf({ at, rates, ready, unacknowledged, latency }: Snapshot): Row {
  // Of several tasks the slowest: a mean of percentiles would be nobody's.
  const slowest = (of: 'p50' | 'p95' | 'p99') =>
    latency.length === 0 ? null : round(Math.max(...latency.map((each) => each[of])))
  return [
    Math.round(at / 100) / 10,
    round(rates.published),
    round(rates.delivered),
    round(rates.finished),
    round(rates.deadLettered),
    round(ready),
    round(unacknowledged),
    slowest('p50'),
    slowest('p95'),
    slowest('p99'),
  ]
}

const round = (value: number | undefined): number | null => (value === undefined ? null : Math.round(value * 10) / 10)

export class History {
  readonly #stepMs: number
  readonly #rows: Row[] = []
  #lastAt = 0

  constructor(stepMs = 2_000) {
    this.#stepMs = stepMs
  }

  get rows(): readonly Row[] {
    return this.#rows
  }

  /** Adds a row unless the last one is too young. Returns the added row. */
  add(snapshot: Snapshot): Row | undefined {
    if (snapshot.at - this.#lastAt < this.#stepMs - 250) return undefined
    this.#lastAt = snapshot.at
    const row = rowOf(snapshot)
    this.#rows.push(row)
    if (this.#rows.length > MAX_ROWS) this.#rows.shift()
    return row
  }
}
