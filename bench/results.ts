/** What a run found, as it is kept under `bench/results/`: one file for each measure, replaced by the next run of it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '../cluster/index.js'
import type { Environment } from './machine.js'
import { claim, type Finding, type Series } from './measures/measure.js'

export interface Result extends Finding {
  readonly measure: string
  readonly does: string
  /** ISO 8601, UTC. */
  readonly takenAt: string
  readonly rounds: number
  /** Shorter, and with fewer rounds: to see that it works, not to be quoted. */
  readonly quick: boolean
  readonly environment: Environment
}

export const RESULTS_FOLDER = join(repositoryRoot(), 'bench', 'results')

/** With `added`, after the rounds that are there. Gives what is written. */
export function save(result: Result, added: boolean, folder = RESULTS_FOLDER): Result {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${result.measure}.json`)
  const whole = added && existsSync(file) ? joined(JSON.parse(readFileSync(file, 'utf8')) as Result, result) : result
  writeFileSync(file, `${JSON.stringify(whole, rounded, 2)}\n`)
  return whole
}

/** The rounds of one run after those of another of the same measure. What stands beside the figures is the later run's. */
export function joined(earlier: Result, later: Result): Result {
  const key = ({ rival, variant, unit }: Series) => `${rival} / ${variant} / ${unit}`
  const series = new Map(earlier.series.map((each) => [key(each), each]))
  for (const each of later.series) {
    const before = series.get(key(each))
    if (before === undefined) series.set(key(each), each)
    else
      series.set(key(each), { ...each, values: [...before.values, ...each.values], details: allDetails(before, each) })
  }
  const claims = new Map(earlier.claims.map((each) => [each.text, each]))
  for (const each of later.claims) {
    const { text, unit, values, reached, ...bound } = each
    claims.set(text, claim(text, [...(claims.get(text)?.values ?? []), ...values], unit, bound))
  }
  return { ...later, rounds: earlier.rounds + later.rounds, series: [...series.values()], claims: [...claims.values()] }
}

const allDetails = (before: Series, after: Series): Series['details'] =>
  Object.fromEntries(
    [...new Set([...Object.keys(before.details), ...Object.keys(after.details)])].map((name) => [
      name,
      [...(before.details[name] ?? []), ...(after.details[name] ?? [])],
    ]),
  )

export function readResults(folder = RESULTS_FOLDER): Result[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Result)
}

/** Four digits say more than any of these figures holds. */
const rounded = (_key: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value
