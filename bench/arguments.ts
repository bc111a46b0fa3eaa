/** The command line of `npm run bench`. Pure. */
import { parseArgs } from 'node:util'
import { didYouMean } from 'warren'
import { measures } from './measures/index.js'
import type { Measure } from './measures/measure.js'
import { rivals } from './rivals/index.js'

export interface BenchOptions {
  readonly measures: readonly Measure[]
  readonly quick: boolean
  readonly json: boolean
  /** Left out: as many as each measure wants. */
  readonly rounds: number | undefined
  readonly dir: string
  /** Names of those that take part; left out, all. */
  readonly rivals: readonly string[] | undefined
  /** Another clone of Warren, built, that takes part. */
  readonly beside: string | undefined
  readonly profile: boolean
  /** Its rounds are added to those that are kept. */
  readonly add: boolean
  /** How many delays the measure `delays` sends, due over how many minutes; left out, what it does by itself. */
  readonly delays?: { readonly count: number; readonly minutes: number }
}

const rivalNames = Object.values(rivals).map(({ name }) => name)
const DEFAULT_DIR = '.warren-bench'

export const HELP = `Usage: npm run bench -- [options]

Measures Warren beside what one would use instead: amqplib alone, Celery, BullMQ. Starts a cluster of its own.

Options:
  --only NAME   only this measure; may be given more than once
  --rounds N    how many rounds, in each of which every rival has its turn
  --add         adds its rounds to those in bench/results, instead of replacing them
  --rival NAME  only this one of ${rivalNames.join(', ')};
                may be given more than once; leaves a file only with --add
  --beside PATH another clone of Warren, built, takes part as warren-beside; leaves no file
  --delays N    the measure delays sends so many, and measures nothing else; with --add, beside what is kept
  --over M      due at random over so many minutes (default 5)
  --profile     takes CPU profiles of clients and workers, and says where their time went; leaves no file
  --quick       one short round: shows that it works; leaves no file
  --json        one JSON object for each measure, on one line
  --dir PATH    the cluster's folder, emptied first (default ${DEFAULT_DIR})
  --page        measures nothing: makes the chart and tables of the documentation from bench/results
  --help        this text

Measures:
${measures.map(({ name, does }) => `  ${name.padEnd(20)} ${does}`).join('\n')}
`

/** Gives the options, or one sentence for each thing that is wrong. */
export function parseArguments(
  args: readonly string[],
): BenchOptions | 'help' | 'page' | { readonly problems: readonly string[] } {
  const problems: string[] = []
  const values = parse(args, problems)
  if (values.help) return 'help'
  if (values.page) return 'page'
  const names = measures.map(({ name }) => name)
  for (const name of values.only ?? []) {
    if (!names.includes(name)) problems.push(`no measure is called ${name}${didYouMean(name, names)}`)
  }
  for (const name of values.rival ?? []) {
    if (!rivalNames.includes(name)) problems.push(`no rival is called ${name}${didYouMean(name, rivalNames)}`)
  }
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds)
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1 && rounds <= 100)) {
    problems.push(`expected --rounds to be a whole number from 1 to 100, got: ${values.rounds}`)
  }
  const delays = delaysIn(values, problems)
  if (problems.length > 0) return { problems }
  const quick = values.quick ?? false
  return {
    measures: values.only === undefined ? measures : measures.filter(({ name }) => values.only?.includes(name)),
    quick,
    json: values.json ?? false,
    rounds: rounds ?? (quick ? 1 : undefined),
    dir: values.dir ?? DEFAULT_DIR,
    rivals: values.rival,
    beside: values.beside,
    profile: values.profile ?? false,
    add: values.add ?? false,
    ...(delays === undefined ? {} : { delays }),
  }
}

const MOST_DELAYS = 10_000_000
const LONGEST_MINUTES = 24 * 60

function delaysIn(
  { delays, over }: { readonly delays?: string; readonly over?: string },
  problems: string[],
): BenchOptions['delays'] {
  const [count, minutes] = [Number(delays), Number(over ?? 5)]
  if (delays !== undefined && !(Number.isInteger(count) && count >= 1 && count <= MOST_DELAYS)) {
    problems.push(`expected --delays to be a whole number from 1 to ${MOST_DELAYS}, got: ${delays}`)
  }
  if (!(minutes > 0 && minutes <= LONGEST_MINUTES)) {
    problems.push(`expected --over to be minutes, at most ${LONGEST_MINUTES}, got: ${over}`)
  }
  if (over !== undefined && delays === undefined) problems.push('expected --over to come with --delays')
  return delays === undefined ? undefined : { count, minutes }
}

const FLAGS = {
  only: { type: 'string', multiple: true },
  rival: { type: 'string', multiple: true },
  beside: { type: 'string' },
  delays: { type: 'string' },
  over: { type: 'string' },
  profile: { type: 'boolean' },
  add: { type: 'boolean' },
  rounds: { type: 'string' },
  quick: { type: 'boolean' },
  json: { type: 'boolean' },
  dir: { type: 'string' },
  page: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

function parse(args: readonly string[], problems: string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS }).values
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error))
    return {}
  }
}
