/**
 * What the documentation shows of the results: one chart, and between two marks of the page the tables. Made from
 * `bench/results/` alone, so that no figure is typed by hand; a test compares.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '../cluster/index.js'
import { chart, type Panel } from './chart.js'
import { measures } from './measures/index.js'
import type { Claim, Series } from './measures/measure.js'
import { cpuOf, describe, number } from './report.js'
import { type Result, readResults } from './results.js'
import { durabilityOf } from './rivals/index.js'
import { median, spreadOf } from './statistics.js'

const PAGE = join(repositoryRoot(), 'docs', 'guide', 'benchmarks.md')
const CHART = join(repositoryRoot(), 'docs', 'guide', 'benchmarks.svg')
const BEGIN = '<!-- made from bench/results by npm run bench -- --page -->'
const END = '<!-- end of what is made -->'

/** Writes both files, and gives their paths. */
export function writePage(): string[] {
  const results = readResults()
  writeFileSync(PAGE, pageWith(readFileSync(PAGE, 'utf8'), results))
  writeFileSync(CHART, chartOf(results))
  return [PAGE, CHART]
}

/** A page with what stands between its marks made anew. */
export function pageWith(page: string, results: readonly Result[]): string {
  const [before, rest] = page.split(BEGIN)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined) throw new Error(`expected ${BEGIN} and ${END} in the page`)
  const names = measures.map(({ name }) => name)
  const inOrder = [...results].sort((a, b) => names.indexOf(a.measure) - names.indexOf(b.measure))
  const claims = inOrder.flatMap((result) => result.claims)
  return [
    `${before}${BEGIN}\n`,
    '## Targets and results\n',
    table(['', 'wanted', 'median', 'lowest to highest', ''], claims.map(claimRow)),
    ...inOrder.map(section),
    `${END}${after}`,
  ].join('\n')
}

/** The two measures that are worth a picture. */
export function chartOf(results: readonly Result[]): string {
  const panels: Panel[] = results
    .filter(({ measure }) => measure === 'publish' || measure === 'throughput')
    .map(({ measure, series }) => ({
      title:
        measure === 'publish'
          ? 'Confirmed publishes a second, quorum queue'
          : 'Tasks a second with results, quorum queue, 5 workers',
      series: [...series].sort((a, b) => median(b.values) - median(a.values)),
    }))
  return chart(panels)
}

function claimRow({ text, values, unit, atLeast, atMost, reached }: Claim): string[] {
  const { median: middle, min, max } = spreadOf(values)
  const wanted = atLeast === undefined ? `at most ${number(atMost ?? Number.NaN)}` : `at least ${number(atLeast)}`
  return [text, wanted, `${number(middle)} ${unit}`, `${number(min)} to ${number(max)}`, reached ? 'yes' : '**no**']
}

function section({ measure, does, takenAt, rounds, series, environment }: Result): string {
  const configurations = new Map(series.map(({ rival, configuration }) => [rival, configuration]))
  return [
    `### ${measure}\n`,
    `${does} ${rounds} ${rounds === 1 ? 'round' : 'rounds'}, ${takenAt.slice(0, 10)}.\n`,
    table(
      ['', 'rival', 'confirmed when it has', 'median', 'lowest to highest', 'CPU a task', 'disturbed'],
      series.map(seriesRow),
    ),
    ...[...configurations].map(([rival, configuration]) => `- \`${rival}\`: ${configuration}`),
    ...describe(environment).map((line) => `- ${line}`),
    '',
  ].join('\n')
}

function seriesRow({ variant, rival, unit, values, details }: Series): string[] {
  const { median: middle, min, max } = spreadOf(values)
  const cpu = cpuOf(details)
  const others = details['cores used by others']
  const rate = details['tasks/s']
  return [
    rate === undefined ? variant : `${variant} (${number(median(rate))} tasks/s)`,
    `\`${rival}\``,
    durabilityOf(rival),
    `${number(middle)} ${unit}`,
    values.length === 1 ? '' : `${number(min)} to ${number(max)}`,
    cpu === '' ? '' : `${cpu} µs`,
    others === undefined ? '' : `${median(others).toFixed(2)} cores`,
  ]
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return `${[line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')}\n`
}
