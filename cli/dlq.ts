/** `warren dlq list|show|redrive|purge`: inspect, redrive and purge dead letters. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { DEATH_REASONS } from 'warren'
import { list, show } from './dlqLook.js'
import type { FilterOptions, WhereOptions } from './dlqQueues.js'
import { type SweepOptions, sweep } from './dlqSweep.js'
import type { Output, Verdict } from './output.js'
import { dirOption } from './running.js'

export function addDlq(program: Command, output: Output, verdict: Verdict): void {
  const dlq = program
    .command('dlq')
    .description('inspect, redrive and purge dead letters')
    .addHelpText(
      'after',
      `
With --domain or --queue, a command needs only the broker. Without them, it asks RabbitMQ's management API for all
dead-letter queues, and reports if that API does not answer. A command holds the messages while it inspects them. When
it ends, even if it is killed, all messages that it did not send back or remove return to their queue; their order is
kept unless it is killed.

Examples:
  warren dlq list
  warren dlq show 0b0e8a52-3c39-4a3c-9a5c-0f2b6f1f6a53
  warren dlq redrive --domain payment --reason failed --rate 50 --dry-run
  warren dlq purge --domain user --older-than 7d`,
    )
  filters(where(dlq.command('list').description('list dead letters, oldest first')))
    .option('--page <n>', 'page to show (default: 1)', wholeNumber)
    .option('--page-size <n>', 'dead letters on a page (default: 20)', wholeNumber)
    .addHelpText(
      'after',
      `
Exit code: 2 if the page does not exist.

Examples:
  warren dlq list                                    every dead-letter queue
  warren dlq list --domain payment --reason failed --page 2
  warren dlq list --queue payment.dlq --text c-1042 --json | jq -r 'select(.event == "deadLetter").id'`,
    )
    .action((options: FilterOptions & { page?: number; pageSize?: number }) => list(options, output))
  where(dlq.command('show').description('show one dead letter with its headers and content').argument('<id>'))
    .addHelpText(
      'after',
      `
Exit code: 1 if no dead letter has this id, or the management API did not answer and other queues were not searched.

Examples:
  warren dlq show 0b0e8a52-3c39-4a3c-9a5c-0f2b6f1f6a53`,
    )
    .action((id: string, options: WhereOptions) => show(id, options, output))
  sweeps(
    filters(
      where(dlq.command('redrive').description('send dead letters back to the exchange or queue they came from')),
    ),
  )
    .option('--rate <n>', 'at most N a second (default: as fast as the broker confirms)', positiveNumber)
    .option(
      '--to-queue',
      'send each to the queue in which it died, rather than to every queue bound for its routing key',
    )
    .addHelpText(
      'after',
      `
Each is published to its original exchange and routing key as a new message with its full number of attempts, and
removed here once the broker has confirmed it. If the command is killed, run it again: nothing is lost, a few may be sent
twice, and a worker does not repeat a task whose success is stored. Dead letters that cannot be sent back stay and are
named; the exit code is then 1.

Examples:
  warren dlq redrive --domain payment --dry-run
  warren dlq redrive --domain payment --reason failed --newer-than 2h --rate 100
  warren dlq redrive --domain payment --id 0b0e8a52-3c39-4a3c-9a5c-0f2b6f1f6a53`,
    )
    .action(async (options: SweepOptions) => verdict(await sweep('redrive', options, output)))
  sweeps(filters(where(dlq.command('purge').description('delete dead letters permanently'))))
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
    .option(
      '--management <url>',
      "RabbitMQ's management API, which lists all dead-letter queues (default: WARREN_MANAGEMENT, the cluster's, or port 15672 of the broker)",
    )
    .option('--delivery-limit <n>', "the queue's delivery-limit, if its policy sets one", wholeNumber)
    .option('--json', 'print one JSON object a line')
}

function filters(command: Command): Command {
  return command
    .option('--id <id>', 'only this one')
    .option('--task <name>', 'only of this task, such as payment.invoice.create')
    .addOption(new Option('--reason <reason>', 'only those with this reason').choices(DEATH_REASONS))
    .option('--older-than <age>', 'only those dead for longer, such as 90s, 10m, 2h or 7d', age)
    .option('--newer-than <age>', 'only those dead for less', age)
    .option('--text <text>', 'only those with this text in their content or their error')
}

function sweeps(command: Command): Command {
  return command
    .option('--limit <n>', 'at most N of them, the oldest first', wholeNumber)
    .option('--dry-run', 'print what it would do, and change nothing')
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

export function wholeNumber(word: string): number {
  if (/^[1-9]\d{0,8}$/.test(word)) return Number(word)
  throw new InvalidArgumentError(`expected a whole number from 1, got: ${word}`)
}

function positiveNumber(word: string): number {
  const number = /^\d{1,6}(\.\d{1,3})?$/.test(word) ? Number(word) : 0
  if (number > 0) return number
  throw new InvalidArgumentError(`expected a number above 0, got: ${word}`)
}
