/** A result as readable text. Pure. */
import type { Environment } from './machine.js'
import type { Claim, Series } from './measures/measure.js'
import type { Result } from './results.js'
import { median, spreadOf } from './statistics.js'

export function report(result: Result): string {
  const { measure, does, rounds, quick, series, claims, environment } = result
  const configurations = new Map(series.map(({ rival, configuration }) => [rival, configuration]))
  return [
    `${measure}: ${does}`,
    `  ${rounds} ${rounds === 1 ? 'round' : 'rounds'}, in turn${quick ? '; quick: not to be quoted' : ''}`,
    ...aligned(series.map(figureOf)).map((line) => `    ${line}`),
    ...claims.map((each) => `  ${sentence(each)}`),
    ...[...configurations].map(([rival, configuration]) => `  ${rival}: ${configuration}`),
    ...describe(environment).map((line) => `  ${line}`),
  ].join('\n')
}

/** Median, lowest and highest. */
function figureOf({ variant, rival, unit, values, details }: Series): string[] {
  const { median: middle, min, max } = spreadOf(values)
  const disturbed = details['cores used by others']
  const cpu = cpuOf(details)
  return [
    variant,
    rival,
    `${number(middle)} ${unit}`,
    `(${number(min)} to ${number(max)})`,
    disturbed === undefined ? '' : `others used ${median(disturbed).toFixed(2)} cores`,
    cpu === '' ? '' : `µs of CPU a task: ${cpu}`,
  ]
}

/** Medians of what each part used for a task. */
export function cpuOf(details: Series['details']): string {
  return ['client', 'workers', 'broker', 'store', 'haproxy']
    .map((whose) => ({ whose, used: median(details[`cpu of ${whose}, µs a task`] ?? []) }))
    .filter(({ used }) => used > 0)
    .map(({ whose, used }) => `${whose} ${number(used)}`)
    .join(', ')
}

export function sentence({ text, values, unit, atLeast, atMost, reached }: Claim): string {
  const { median: middle, min, max } = spreadOf(values)
  const wanted = [
    ...(atLeast === undefined ? [] : [`at least ${number(atLeast)}`]),
    ...(atMost === undefined ? [] : [`at most ${number(atMost)}`]),
  ].join(', ')
  const found = `${number(middle)} ${unit} (${number(min)} to ${number(max)})`
  return `${reached ? 'reached' : 'NOT REACHED'}: ${text}: ${found}, wanted: ${wanted}`
}

export function describe({ machine, fsyncMs, versions, cluster }: Environment): string[] {
  const { cpu, cores, memoryGiB, system, loadBefore } = machine
  return [
    `machine: ${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}, load before ${loadBefore.toFixed(1)}`,
    `disk: fsync of 4 KiB takes ${fsyncMs.median.toFixed(2)} ms (99th percentile ${fsyncMs.p99.toFixed(2)} ms)`,
    `cluster: ${cluster}`,
    `versions: ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}`,
  ]
}

export function number(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  return value.toPrecision(4).replace(/\.?0+$/, '')
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, cell.length)
    })
  }
  return rows.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
