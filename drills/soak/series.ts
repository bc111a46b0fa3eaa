/** What a soak samples, and its verdict: no series may be higher in the last quarter than in the second. Pure. */
import { QUARTERS } from './plan.js'

export interface SeriesPlan {
  readonly title: string
  readonly unit: 'MB' | 'ms' | ''
  /** How much more is no growth, beside 5 %: what one sample more or less of a small number makes. */
  readonly allowance: number
}

/** By name, in the order in which they are shown. */
export const SERIES = {
  workersMb: { title: 'Memory of the workers', unit: 'MB', allowance: 0 },
  nodesMb: { title: 'Memory of the RabbitMQ nodes', unit: 'MB', allowance: 0 },
  storeMb: { title: 'Memory that the result store uses', unit: 'MB', allowance: 1 },
  producerMb: { title: 'Memory of the producer, which is this command', unit: 'MB', allowance: 0 },
  handles: { title: 'Open files of workers, nodes, store, HAProxy and producer', unit: '', allowance: 5 },
  connections: { title: 'Connections to RabbitMQ', unit: '', allowance: 1 },
  channels: { title: 'Channels', unit: '', allowance: 2 },
  queues: { title: 'Queues', unit: '', allowance: 1 },
  messages: { title: 'Messages in all queues', unit: '', allowance: 50 },
  keys: { title: 'Keys in the result store', unit: '', allowance: 50 },
  latenessMs: { title: 'How late delayed tasks begin, median', unit: 'ms', allowance: 250 },
  resultMs: { title: 'From a send to its result, median', unit: 'ms', allowance: 50 },
} as const satisfies Record<string, SeriesPlan>

export type SeriesName = keyof typeof SERIES
export const SERIES_NAMES = Object.keys(SERIES) as SeriesName[]

/** One sample. What could not be asked at that moment is missing. */
export interface Sample {
  /** Since the work began. */
  readonly atMs: number
  readonly values: Readonly<Partial<Record<SeriesName, number>>>
}

export interface Comparison {
  readonly name: SeriesName
  /** Means of the second and of the last quarter. */
  readonly second: number
  readonly last: number
  /** By how much the last is higher, as a part of the second. */
  readonly change: number
  readonly grew: boolean
}

const TOLERANCE = 0.05

export function compare(samples: readonly Sample[], durationMs: number): Comparison[] {
  return SERIES_NAMES.map((name) => {
    const second = mean(quarter(samples, name, durationMs, 1))
    const last = mean(quarter(samples, name, durationMs, QUARTERS - 1))
    const more = last - second
    return {
      ...{ name, second, last, change: second === 0 ? 0 : more / second },
      // NaN: a quarter without a sample shows nothing, so it does not pass.
      grew: !(more <= Math.max(second * TOLERANCE, SERIES[name].allowance)),
    }
  })
}

const mean = (values: readonly number[]): number => values.reduce((sum, each) => sum + each, 0) / values.length

function quarter(samples: readonly Sample[], name: SeriesName, durationMs: number, which: number): number[] {
  const from = (durationMs / QUARTERS) * which
  const to = from + durationMs / QUARTERS
  return samples.flatMap(({ atMs, values }) => {
    const value = values[name]
    return atMs >= from && atMs < to && value !== undefined ? [value] : []
  })
}

/** Of an unsorted list; undefined of none. */
export function median(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
}

export const valueText = (name: SeriesName, value: number): string => {
  const { unit } = SERIES[name]
  return Number.isFinite(value) ? `${Math.round(value).toLocaleString('en-US')}${unit && ` ${unit}`}` : 'not known'
}
