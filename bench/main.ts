/**
 * `npm run bench`: starts a cluster of its own, runs the measures one after the other, prints what they found and writes
 * it under `bench/results/`. Exits 0 when all was measured, whether or not what was wanted is reached; 1 when something
 * could not be measured; 2 when it was called wrongly.
 */

import { textOf } from 'warren'
import { exitCodeOf, onStopSignals } from '../demo/stopSignals.js'
import { type BenchOptions, HELP, parseArguments } from './arguments.js'
import { Ground } from './ground.js'
import { installRivals } from './install.js'
import { environment } from './machine.js'
import type { Measure } from './measures/measure.js'
import { writePage } from './page.js'
import { profileReport } from './profile.js'
import { report } from './report.js'

import { type Result, save } from './results.js'
import { besideAt } from './rivals/index.js'
import type { Rival } from './rivals/rival.js'

const startedAt = Date.now()
const say = (line: string): void => {
  process.stderr.write(`bench: ${((Date.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${line}\n`)
}

process.exit(await main(process.argv.slice(2)))

async function main(args: readonly string[]): Promise<number> {
  const parsed = parseArguments(args)
  if (parsed === 'help') {
    process.stdout.write(HELP)
    return 0
  }
  if (parsed === 'page') {
    for (const file of writePage()) process.stdout.write(`${file}\n`)
    return 0
  }
  if ('problems' in parsed) {
    process.stderr.write(`bench: ${parsed.problems.join('; ')}\n`)
    return 2
  }
  installRivals(parsed.measures, say)
  const ground = await Ground.open(parsed.dir, parsed.profile, say)
  onStopSignals(
    (signal) => void ground.close().finally(() => process.exit(exitCodeOf(signal))),
    (signal) => process.exit(exitCodeOf(signal)),
  )
  let failed = 0
  try {
    for (const measure of parsed.measures) {
      try {
        const taken = await take(measure, ground, parsed)
        const result = isKept(parsed) ? save(taken, parsed.add) : taken
        process.stdout.write(`${parsed.json ? JSON.stringify(result) : `\n${report(result)}\n`}\n`)
      } catch (error) {
        failed++
        say(`${measure.name} could not be measured: ${error instanceof Error ? error.stack : textOf(error)}`)
      }
    }
  } finally {
    await ground.close()
  }
  if (ground.profiles !== undefined) process.stdout.write(`${profileReport(ground.profiles)}\n`)
  return failed > 0 ? 1 : 0
}

/** Whether its figures may be quoted, and replace those that were kept before, or are added to them. */
function isKept({ quick, rivals, beside, profile, add }: BenchOptions): boolean {
  return !quick && (rivals === undefined || add) && beside === undefined && !profile
}

async function take(measure: Measure, ground: Ground, options: BenchOptions): Promise<Result> {
  const { quick, rivals, beside } = options
  const rounds = options.rounds ?? measure.rounds
  say(`${measure.name}: ${rounds} ${rounds === 1 ? 'round' : 'rounds'}`)
  const [before, takenAt] = [await environment(ground), new Date().toISOString()]
  const cast = (all: readonly Rival[]) => [
    ...all.filter(({ name }) => rivals === undefined || rivals.includes(name)),
    ...(beside === undefined ? [] : [besideAt(beside)]),
  ]
  const finding = await measure.run({ ground, rounds, quick, say, cast, delays: options.delays })
  const { name, does } = measure
  return { measure: name, does, takenAt, rounds, quick, environment: before, ...finding }
}
