/** The demo client's command line: `client [options] N SECONDS`, read into options or one sentence. Pure. */
import { didYouMean } from 'warren'

export interface ClientOptions {
  /** How many tasks each round sends. */
  readonly count: number
  /** How long each task takes, or takes on average with `random`. */
  readonly seconds: number
  readonly quorum: boolean
  readonly random: boolean
  /** Seconds from the start of one round to the start of the next; undefined sends one round. */
  readonly repeatAfter: number | undefined
  readonly time: boolean
  readonly json: boolean
  /** Give up waiting for results this many seconds after the start. */
  readonly timeout: number | undefined
  readonly broker: string[] | undefined
  readonly results: string | undefined
  /** The folder of the running cluster, for its addresses. */
  readonly dir: string | undefined
}

export type ParsedArguments =
  | { readonly kind: 'run'; readonly options: ClientOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly sentence: string }

const FLAGS = ['--quorum', '--random', '--time', '--json', '--help'] as const
const VALUED = ['--repeat-after', '--timeout', '--broker', '--results', '--dir'] as const
const SHORT: Readonly<Record<string, string>> = { '-h': '--help' }

export const CLIENT_HELP = `Usage: warren client [options] N SECONDS

Sends N tasks that take SECONDS each, waits for their results and prints how they ended.

Arguments:
  N                  how many tasks to send: a whole number from 1 to 1000000000
  SECONDS            how long each task takes: 0 to 3600, fractions allowed

Options:
  --quorum           send payment.invoice.create to its quorum queue (default: user.account.create to its classic queue)
  --random           let each task take a random time, uniform from 0 to 2 x SECONDS, so that the mean stays SECONDS
  --repeat-after S   send another N every S seconds, without waiting for results, until Ctrl-C
  --time             print how long sending took and when all tasks had finished, both from the start of sending
  --timeout S        give up waiting for results S seconds after the start (default: as long as results keep coming)
  --json             print one JSON object a line: sent, finished, summary
  --broker URL       broker address, several separated by commas (default: WARREN_BROKER, or the running cluster)
  --results URL      result store address (default: WARREN_RESULTS, or the running cluster)
  --dir DIR          the running cluster's folder (default: WARREN_DIR, or .warren)
  -h, --help         show this help

Exit code: 0 if every task ended as SUCCESS (or Ctrl-C ended --repeat-after), 1 if at least one did not, 2 on wrong usage.

Examples:
  warren client --time --quorum 1000 0.1                     a thousand invoices of 0.1 s each
  warren client --random 200 0.5                             two hundred accounts, 0 to 1 s each
  warren client --quorum --repeat-after 1 400 0.1            more than five workers can handle: watch payment.dlq fill
`

class Wrong extends Error {}

/** Reads the words after `client`. */
export function parseClientArguments(words: readonly string[]): ParsedArguments {
  const flags = new Set<string>()
  const values = new Map<string, string>()
  const positionals: string[] = []
  try {
    for (let at = 0, literal = false; at < words.length; at++) {
      const word = words[at] ?? ''
      // `-5` is an invalid number, not an option.
      if (literal || !word.startsWith('-') || word === '-' || /^-[\d.]|^-Infinity$/.test(word)) {
        positionals.push(word)
        continue
      }
      if (word === '--') {
        literal = true
        continue
      }
      const equals = word.indexOf('=')
      const written = equals === -1 ? word : word.slice(0, equals)
      const name = SHORT[written] ?? written
      if (FLAGS.some((each) => each === name)) {
        if (equals !== -1) throw new Wrong(`expected ${name} without a value, got: ${word}`)
        flags.add(name)
      } else if (VALUED.some((each) => each === name)) {
        const value = equals === -1 ? words[++at] : word.slice(equals + 1)
        if (value === undefined || value === '') throw new Wrong(`expected a value after ${name}, got nothing`)
        values.set(name, value)
      } else {
        const hint = didYouMean(name, [...FLAGS, ...VALUED])
        throw new Wrong(`expected a known option, got: ${name}${hint}`)
      }
    }
    if (flags.has('--help')) return { kind: 'help' }
    return { kind: 'run', options: toOptions(flags, values, positionals) }
  } catch (error) {
    if (!(error instanceof Wrong)) throw error
    const end = error.message.endsWith('?') ? ' See' : '; see'
    return { kind: 'wrong', sentence: `${error.message}${end} warren client --help` }
  }
}

function toOptions(
  flags: ReadonlySet<string>,
  values: ReadonlyMap<string, string>,
  positionals: readonly string[],
): ClientOptions {
  const [count, seconds, ...rest] = positionals
  if (count === undefined || seconds === undefined) {
    throw new Wrong(`expected two arguments, N and SECONDS, got: ${positionals.join(' ') || 'nothing'}`)
  }
  if (rest.length > 0)
    throw new Wrong(`expected two arguments, N and SECONDS, got ${positionals.length}: ${positionals.join(' ')}`)
  const repeatAfter = values.get('--repeat-after')
  const timeout = values.get('--timeout')
  return {
    count: toNumber('N', count, { min: 1, max: 1_000_000_000, whole: true }),
    seconds: toNumber('SECONDS', seconds, { min: 0, max: 3600 }),
    quorum: flags.has('--quorum'),
    random: flags.has('--random'),
    repeatAfter:
      repeatAfter === undefined ? undefined : toNumber('--repeat-after', repeatAfter, { min: 0.1, max: 86_400 }),
    time: flags.has('--time'),
    json: flags.has('--json'),
    timeout: timeout === undefined ? undefined : toNumber('--timeout', timeout, { min: 0.1, max: 1_000_000 }),
    broker: values
      .get('--broker')
      ?.split(',')
      .map((each) => each.trim())
      .filter((each) => each !== ''),
    results: values.get('--results'),
    dir: values.get('--dir'),
  }
}

/** Decimal notation only: `0x10`, `1e3`, `Infinity` and the empty word are refused. */
function toNumber(
  name: string,
  text: string,
  { min, max, whole = false }: { min: number; max: number; whole?: boolean },
) {
  const value = /^[+-]?(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max && (!whole || Number.isInteger(value))) return value
  throw new Wrong(`expected ${name} to be ${whole ? 'a whole number' : 'a number'} from ${min} to ${max}, got: ${text}`)
}
