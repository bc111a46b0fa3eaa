/** What a measure is, and what it finds. All of it is written to `bench/results/` as it is. */
import type { Ground } from '../ground.js'
import type { Rival } from '../rivals/rival.js'
import { median, ratios } from '../statistics.js'

/** The figures of one rival in one situation, one for each round. */
export interface Series {
  readonly rival: string
  /** The situation: `quorum, 5 workers`. */
  readonly variant: string
  readonly unit: string
  readonly configuration: string
  readonly values: readonly number[]
  /** What else was seen in each round, by name. */
  readonly details: Readonly<Record<string, readonly number[]>>
}

/** Something that is to hold, and how it came out: judged by the median of its values. */
export interface Claim {
  readonly text: string
  readonly values: readonly number[]
  readonly unit: string
  readonly atLeast?: number
  readonly atMost?: number
  readonly reached: boolean
}

export interface Finding {
  readonly series: readonly Series[]
  readonly claims: readonly Claim[]
}

/** What a measure has to work with. */
export interface Scene {
  readonly ground: Ground
  readonly rounds: number
  readonly quick: boolean
  readonly say: (line: string) => void
  /** What the measure `delays` is asked for; left out, what it does by itself. */
  readonly delays?: { readonly count: number; readonly minutes: number } | undefined
  /** Those of the rivals that take part, and what else is to be measured beside them. */
  cast(rivals: readonly Rival[]): readonly Rival[]
}

export interface Measure {
  readonly name: string
  /** One sentence. */
  readonly does: string
  /** How many rounds where none are asked for. */
  readonly rounds: number
  /** The rivals that it needs to be installed, beside Warren and amqplib. */
  readonly needs: readonly ('bullmq' | 'celery' | 'postgres')[]
  run(scene: Scene): Promise<Finding>
}

export interface Bound {
  readonly atLeast?: number
  readonly atMost?: number
}

export function claim(text: string, values: readonly number[], unit: string, bound: Bound): Claim {
  const middle = median(values)
  const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = bound
  return { text, values, unit, ...bound, reached: middle >= atLeast && middle <= atMost }
}

/** Collects figures round by round. */
export class Tally {
  readonly #series = new Map<string, Series & { values: number[]; details: Record<string, number[]> }>()

  add(
    of: Omit<Series, 'values' | 'details'>,
    value: number,
    details: Readonly<Record<string, number | undefined>> = {},
  ): void {
    const key = `${of.variant} / ${of.rival} / ${of.unit}`
    const series = this.#series.get(key) ?? { ...of, values: [], details: {} }
    this.#series.set(key, series)
    series.values.push(value)
    for (const [name, detail] of Object.entries(details)) {
      if (detail === undefined) continue
      series.details[name] ??= []
      series.details[name].push(detail)
    }
  }

  /** The values of a rival in a situation, round by round: none when it did not take part. */
  values(rival: string, variant: string): readonly number[] {
    for (const series of this.#series.values()) {
      if (series.rival === rival && series.variant === variant) return series.values
    }
    return []
  }

  /** What is claimed of Warren's own figures in a situation: nothing when it did not take part. */
  claim(variant: string, text: string, unit: string, bound: Bound): Claim[] {
    const values = this.values('warren', variant)
    return values.length === 0 ? [] : [claim(text, values, unit, bound)]
  }

  /** What is claimed of Warren beside another, round by round: nothing when one of the two did not take part. */
  compare(variant: string, other: string, text: string, bound: Bound, of = 'warren'): Claim[] {
    const values = ratios(this.values(of, variant), this.values(other, variant))
    return values.length === 0 ? [] : [claim(text, values, '×', bound)]
  }

  get series(): Series[] {
    return [...this.#series.values()]
  }
}
