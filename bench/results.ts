/** What a run found, as it is kept under `bench/results/`: one file for each measure, replaced by the next run of it. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '../cluster/index.js'
import type { Environment } from './machine.js'
import type { Finding } from './measures/measure.js'

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

export function save(result: Result, folder = RESULTS_FOLDER): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${result.measure}.json`), `${JSON.stringify(result, rounded, 2)}\n`)
}

export function readResults(folder = RESULTS_FOLDER): Result[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Result)
}

/** Four digits say more than any of these figures holds. */
const rounded = (_key: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value
