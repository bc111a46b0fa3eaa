/** `warren dlq list|show|redrive|purge`: look at dead letters, send them back, remove them. */
import { isUtf8 } from 'node:buffer'
import { createInterface } from 'node:readline/promises'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { onStopSignals } from '../demo/stopSignals.js'
import {
  DEAD_LETTER_DELIVERY_LIMIT,
  DEATH_REASONS,
  type DeadLetter,
  type DeadLetterContent,
  type DeadLetterFilter,
  type DeadLetters,
  type DeathReason,
  deadLetterQueue,
  type RedriveSummary,
  type SweepProgress,
  type SweepSummary,
} from '../src/index.js'
import { Failure } from './failure.js'
import { jsonLine, printable, printableLines } from './printable.js'
import type { Output, Verdict } from './program.js'
import { dirOption } from './running.js'
import { duration } from './status.js'
import { table } from './table.js'

interface WhereOptions {
  readonly domain?: string
  readonly queue?: string
  readonly dir?: string
  readonly broker?: string
  readonly deliveryLimit?: number
  readonly json?: true
}

interface FilterOptions extends WhereOptions {
  readonly id?: string
  readonly task?: string
  readonly reason?: DeathReason
  readonly olderThan?: number
  readonly newerThan?: number
  readonly text?: string
}

interface SweepOptions extends FilterOptions {
  readonly limit?: number
  readonly rate?: number
  readonly toQueue?: true
  readonly dryRun?: true
  readonly yes?: true
}

export function addDlq(program: Command, output: Output, verdict: Verdict): void {
  const dlq = program
    .command('dlq')
    .description('look at dead letters, send them back, remove them')
    .addHelpText(
      'after',
      `
It needs the broker alone, no management API. While a command looks, it holds the messages. All that it does not send
back or remove is in its queue again when it ends, even when it is killed; in its old order too, unless it is killed.

Examples:
  warren dlq list
  warren dlq show 0b0e8a52-3c39-4a3c-9a5c-0f2b6f1f6a53
  warren dlq redrive --domain payment --reason failed --rate 50 --dry-run
  warren dlq purge --domain user --older-than 7d`,
    )
  filters(where(dlq.command('list').description('list dead letters, oldest first')))
    .option('--page <n>', 'which page to show (default: 1)', wholeNumber)
    .option('--page-size <n>', 'how many on a page (default: 20)', wholeNumber)
    .addHelpText(
      'after',
      `
Examples:
  warren dlq list                                    of every domain
  warren dlq list --domain payment --reason failed --page 2
  warren dlq list --queue payment.dlq --text c-1042 --json | jq -r 'select(.event == "deadLetter").id'`,
    )
    .action((options: FilterOptions & { page?: number; pageSize?: number }) => list(options, output))
  where(dlq.command('show').description('show one dead letter with its headers and content').argument('<id>'))
    .addHelpText(
      'after',
      `
Exit code: 1 when there is none of this id.

Examples:
  warren dlq show 0b0e8a52-3c39-4a3c-9a5c-0f2b6f1f6a53`,
    )
    .action((id: string, options: WhereOptions) => show(id, options, output))
  sweeps(filters(where(dlq.command('redrive').description('send dead letters back to where they came from'))))
    .option('--rate <n>', 'at most N a second (default: as fast as the broker confirms)', positiveNumber)
    .option('--to-queue', 'to the queue that each died in, rather than to every queue bound for its routing key')
    .addHelpText(
      'after',
      `
Each is published to its original exchange and routing key as a fresh message with all attempts before it, and removed
here once the broker has confirmed it. If the command is killed, run it again: nothing is lost, a few may go twice, and
a worker that finds a task done does not run it again. What cannot be sent back stays and is named; then the exit code is 1.

Examples:
  warren dlq redrive --domain payment --dry-run
  warren dlq redrive --domain payment --reason failed --newer-than 2h --rate 100
  warren dlq redrive --domain payment --id 0b0e8a52-3c39-4a3c-9a5c-0f2b6f1f6a53`,
    )
    .action(async (options: SweepOptions) => verdict(await sweep('redrive', options, output)))
  sweeps(filters(where(dlq.command('purge').description('remove dead letters for good'))))
    .addHelpText(
      'after',
      `
Examples:
  warren dlq purge --domain user --older-than 7d --dry-run
  warren dlq purge --domain user --reason expired --yes`,
    )
    .action(async (options: SweepOptions) => verdict(await sweep('purge', options, output)))
}

function where(command: Command): Command {
  return command
    .option('--domain <domain>', 'the dead letters of a domain, such as user or payment')
    .addOption(new Option('--queue <queue>', 'the dead letters in a queue, by its name').conflicts('domain'))
    .addOption(dirOption())
    .option('--broker <url>', 'broker address, several separated by commas (default: WARREN_BROKER, or the cluster)')
    .option('--delivery-limit <n>', "the queue's delivery-limit, when its policy sets one", wholeNumber)
    .option('--json', 'print one JSON object a line')
}

function filters(command: Command): Command {
  return command
    .option('--id <id>', 'only this one')
    .option('--task <name>', 'only of this task, such as payment.invoice.create')
    .addOption(new Option('--reason <reason>', 'only those that died of this').choices(DEATH_REASONS))
    .option('--older-than <age>', 'only those dead for longer, such as 90s, 10m, 2h or 7d', age)
    .option('--newer-than <age>', 'only those dead for less', age)
    .option('--text <text>', 'only those with this text in their content or their error')
}

function sweeps(command: Command): Command {
  return command
    .option('--limit <n>', 'at most N of them, the oldest', wholeNumber)
    .option('--dry-run', 'say what would be done, and change nothing')
    .option('--yes', 'do not ask')
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `90s`, `10m`, `1.5h`, `7d`, in milliseconds. */
export function age(word: string): number {
  const [, number, unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(word) ?? []
  const ms = Math.round(Number(number) * (UNITS[unit] ?? Number.NaN))
  if (Number.isSafeInteger(ms)) return ms
  throw new InvalidArgumentError(`expected an age such as 90s, 10m, 2h or 7d, got: ${word}`)
}

function wholeNumber(word: string): number {
  if (/^[1-9]\d{0,8}$/.test(word)) return Number(word)
  throw new InvalidArgumentError(`expected a whole number from 1, got: ${word}`)
}

function positiveNumber(word: string): number {
  const number = /^\d{1,6}(\.\d{1,3})?$/.test(word) ? Number(word) : 0
  if (number > 0) return number
  throw new InvalidArgumentError(`expected a number above 0, got: ${word}`)
}

function filterOf({ id, task, reason, olderThan, newerThan, text }: FilterOptions): DeadLetterFilter {
  return {
    ...(id === undefined ? {} : { id }),
    ...(task === undefined ? {} : { task }),
    ...(reason === undefined ? {} : { reason }),
    ...(olderThan === undefined ? {} : { olderThanMs: olderThan }),
    ...(newerThan === undefined ? {} : { newerThanMs: newerThan }),
    ...(text === undefined ? {} : { text }),
  }
}

/** Runs `act` on the queues that are meant, one after the other. */
async function onEach(options: WhereOptions, act: (letters: DeadLetters) => Promise<void>): Promise<void> {
  const { connect, domainOf } = await import('../src/index.js')
  const { tasks } = await import('../demo/tasks.js')
  const { runningAddresses } = await import('./running.js')
  const given = options.broker || process.env.WARREN_BROKER
  const broker = given ? given.split(',').map((each) => each.trim()) : undefined
  const warren = await connect({
    broker: broker ?? (await runningAddresses('operator', options.dir)).broker,
    name: 'warren dlq',
    logger: false,
  })
  try {
    const { domain, queue } = options
    const predefined = new Set(tasks.map(({ name }) => deadLetterQueue(domainOf(name))))
    const named = queue ?? (domain === undefined ? undefined : deadLetterQueue(domain))
    for (const name of named === undefined ? predefined : [named]) {
      // The running cluster has the policies that `warren definitions` prints; of another broker nobody knows.
      const planned = broker === undefined && predefined.has(name) ? DEAD_LETTER_DELIVERY_LIMIT : undefined
      const limit = options.deliveryLimit ?? planned
      await act(warren.deadLetters({ queue: name, ...(limit === undefined ? {} : { deliveryLimit: limit }) }))
    }
  } finally {
    await warren.close()
  }
}

const number = (value: number): string => value.toLocaleString('en-US')

async function list(options: FilterOptions & { page?: number; pageSize?: number }, { out }: Output): Promise<void> {
  const { page = 1, pageSize = 20, json } = options
  const first = (page - 1) * pageSize
  await onEach(options, async (letters) => {
    const shown: DeadLetter[] = []
    let matched = 0
    for await (const letter of letters.list(filterOf(options))) {
      if (matched >= first && matched < first + pageSize) shown.push(letter)
      matched++
    }
    const { queue } = letters
    const pages = Math.max(1, Math.ceil(matched / pageSize))
    if (json) {
      for (const letter of shown) out(jsonLine({ event: 'deadLetter', in: queue, ...letter }))
      out(jsonLine({ event: 'page', in: queue, page, pages, matched }))
      return
    }
    out(`${printable(queue)}: ${number(matched)} dead letter${matched === 1 ? '' : 's'}`)
    out(pages > 1 ? `, page ${number(page)} of ${number(pages)}\n` : '\n')
    if (shown.length > 0) out(fitted(table(['ID', 'TASK', 'DEAD FOR', 'WHY'], shown.map(rowOf))))
    out('\n')
  })
}

const rowOf = ({ id, task = '', diedAt, why }: DeadLetter): string[] => [
  printable(id),
  printable(task),
  diedAt === undefined ? '?' : duration(Date.now() - diedAt.getTime()),
  printable(why),
]

/** Lines that end where a terminal's do; elsewhere whole. */
function fitted(lines: string): string {
  const columns = process.stdout.isTTY ? process.stdout.columns : 0
  if (!columns) return lines
  return lines.replaceAll(/.+/g, (line) => (line.length > columns ? `${line.slice(0, columns - 1)}…` : line))
}

async function show(id: string, options: WhereOptions, { out }: Output): Promise<void> {
  let found = 0
  await onEach(options, async (letters) => {
    for (const letter of await letters.show(id)) {
      if (found++ > 0 && !options.json) out('\n')
      out(options.json ? jsonLine({ event: 'deadLetter', in: letters.queue, ...jsonOf(letter) }) : details(letter))
    }
  })
  if (found === 0) throw new Failure(`no dead letter has the id ${printable(id)}; see warren dlq list`)
}

function jsonOf({ content, ...letter }: DeadLetterContent): object {
  return isUtf8(content)
    ? { ...letter, content: content.toString() }
    : { ...letter, base64: content.toString('base64') }
}

export function details(letter: DeadLetterContent, now: number = Date.now()): string {
  const { content, contentType, headers, diedAt, exchange, routingKey, redriven } = letter
  const facts: [string, string | undefined][] = [
    ['id', letter.id],
    ['task', letter.task],
    ['why', letter.why],
    ['died', diedAt && `${diedAt.toISOString()}, ${duration(now - diedAt.getTime())} ago`],
    ['in queue', letter.queue],
    ['sent to', exchange === undefined ? undefined : `${exchange || '(default exchange)'} → ${routingKey ?? ''}`],
    ['attempts', letter.attempts?.toString()],
    ['redriven', redriven === 0 ? undefined : `${redriven} time${redriven === 1 ? '' : 's'} before`],
    ['trace', letter.traceparent],
    ['content', `${number(content.length)} bytes, ${contentType ?? 'of no stated type'}`],
  ]
  const text = isUtf8(content) ? printableLines(content.toString()) : `base64 ${content.toString('base64')}`
  return [
    ...facts.flatMap(([name, fact]) => (fact === undefined ? [] : [`${name.padEnd(10)}${printable(fact)}`])),
    'headers',
    ...Object.entries(headers).map(
      ([name, value]) => `  ${printable(name)}: ${printable(JSON.stringify(value) ?? '')}`,
    ),
    '',
    text,
    '',
  ].join('\n')
}

async function sweep(verb: 'redrive' | 'purge', options: SweepOptions, output: Output): Promise<number> {
  const { domain, queue, limit, rate, dryRun, json, yes, toQueue } = options
  if (domain === undefined && queue === undefined) {
    throw new Failure('say which dead letters: --domain or --queue', { exitCode: 2 })
  }
  const filter = filterOf(options)
  const sure = dryRun || yes || (verb === 'redrive' && Object.keys(filter).length > 0)
  if (!sure && process.stdin.isTTY !== true) {
    throw new Failure('this needs --yes, since there is no terminal to ask on; --dry-run says what it would do', {
      exitCode: 2,
    })
  }
  const { Progress } = await import('../demo/progress.js')
  const interrupt = new AbortController()
  // The broker takes back what a process holds that is gone.
  const offSignals = onStopSignals(
    () => interrupt.abort(),
    () => process.exit(1),
  )
  let code = 0
  try {
    await onEach(options, async (letters) => {
      if (!sure && !(await agreed(verb, letters, filter, limit))) {
        code = 1
        return
      }
      const bar = new Progress(json ? { write: () => undefined } : process.stderr)
      const say = json ? jsonProgress(letters.queue, output) : barProgress(verb, bar)
      const common = {
        ...(limit === undefined ? {} : { limit }),
        ...(dryRun ? { dryRun } : {}),
        signal: interrupt.signal,
        onProgress: say,
      }
      const summary =
        verb === 'purge'
          ? await letters.purge(filter, common)
          : await letters.redrive(filter, {
              ...common,
              ...(rate === undefined ? {} : { rate }),
              to: toQueue ? 'queue' : 'origin',
            })
      bar.clear()
      output.out(json ? jsonLine({ event: verb, ...summary }) : sweepText(verb, summary))
      if (summary.kept > 0 || summary.stopped === 'aborted') code = 1
    })
  } finally {
    offSignals()
  }
  return code
}

async function agreed(
  verb: 'redrive' | 'purge',
  letters: DeadLetters,
  filter: DeadLetterFilter,
  limit = Number.POSITIVE_INFINITY,
): Promise<boolean> {
  const { matched } = await letters.purge(filter, { dryRun: true })
  const count = Math.min(matched, limit)
  if (count === 0) return true
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const what = verb === 'purge' ? 'Remove' : 'Send back'
  const question = `${what} ${number(count)} dead letter${count === 1 ? '' : 's'} of ${letters.queue}? [y/N] `
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim())
  } finally {
    terminal.close()
  }
}

const PROGRESS_MS = 200

function jsonProgress(queue: string, { out }: Output): (progress: SweepProgress) => void {
  let last = Date.now()
  return (progress) => {
    if (Date.now() - last < PROGRESS_MS) return
    last = Date.now()
    out(jsonLine({ event: 'progress', queue, ...progress }))
  }
}

const barProgress =
  (
    verb: 'redrive' | 'purge',
    bar: { update(counts: { label: string; done: number; total: number; note: string }): void },
  ) =>
  ({ total, scanned, done, kept }: SweepProgress): void =>
    bar.update({
      label: 'Dead letters',
      done: scanned,
      total,
      note: `${number(done)} ${verb === 'purge' ? 'removed' : 'sent back'}${kept > 0 ? `, ${number(kept)} kept` : ''}`,
    })

export function sweepText(verb: 'redrive' | 'purge', summary: SweepSummary | RedriveSummary): string {
  const { queue, total, done, kept, matched, stopped, dryRun } = summary
  const does = verb === 'purge' ? ['removed', 'would be removed'] : ['sent back', 'would be sent back']
  const count = dryRun ? matched - kept : done
  const lines = [`${queue}: ${number(count)} of ${number(total)} dead letters ${does[dryRun ? 1 : 0]}`]
  if (stopped === 'aborted') lines[0] += '; interrupted, the rest stays'
  if ('destinations' in summary) {
    for (const { exchange, routingKey, count } of summary.destinations) {
      lines.push(`  ${number(count)} to ${exchange || '(default exchange)'} → ${routingKey}`)
    }
    if (kept > 0) lines.push(`  ${number(kept)} cannot be sent back and stay${kept === 1 ? 's' : ''}:`)
    for (const { message, count, ids } of summary.problems) {
      const others = count > ids.length ? ` and ${number(count - ids.length)} more` : ''
      lines.push(`    ${message}`, `      ${ids.join(', ')}${others}`)
    }
  }
  return `${lines.map(printable).join('\n')}\n`
}
