/** `warren tasks`: how tasks ended of late, from the history in the result store. */
import { type Command, InvalidArgumentError } from 'commander'
import type { HistoryEntry, HistoryState } from 'warren'
import { connected, type WhereJsonOptions, withWhere } from './connected.js'
import { age, wholeNumber } from './dlq.js'
import type { Output } from './output.js'
import { jsonLine, printable } from './printable.js'
import { duration } from './status.js'
import { table } from './table.js'

interface TasksOptions extends WhereJsonOptions {
  readonly state?: readonly HistoryState[]
  readonly task?: string
  readonly queue?: string
  readonly since?: number
  readonly search?: string
  readonly limit: number
  readonly attempts?: true
}

export function addTasks(program: Command, { out, err }: Output): void {
  withWhere(program.command('tasks'))
    .description('list tasks that ended, are waiting for another attempt, or are running, latest first')
    .option('--state <states>', `only in these states, separated by commas: ${STATES.join(', ')}`, statesOf)
    .option('--task <name>', 'only of this task, such as payment.invoice.create')
    .option('--queue <queue>', 'only from this queue')
    .option('--since <age>', 'only of the last 90s, 10m, 2h or 7d', age)
    .option('--search <text>', 'only those whose error has this text')
    .option('--limit <n>', 'how many to show', wholeNumber, 50)
    .option('--attempts', 'every attempt that ended or began, instead of each task by its latest state')
    .option('--json', 'print one JSON object a line')
    .addHelpText(
      'after',
      `
The list comes from the history in the result store. "warren queues" counts tasks that wait for their first attempt.
STARTED is known only for tasks with trackStarted. "warren task" shows one task.

Examples:
  warren tasks --state FAILURE --since 1h
  warren tasks --search "no such customer" --json | jq -r .id
  warren tasks --task payment.invoice.create --attempts --limit 200`,
    )
    .action(async ({ limit, since, attempts, state, task, queue, search, ...where }: TasksOptions) => {
      const query = {
        ...{ state, task, queue, search, all: attempts },
        since: since === undefined ? undefined : new Date(Date.now() - since),
      }
      await connected(where, 'warren tasks', async ({ history }) => {
        const found: HistoryEntry[] = []
        let cursor: string | undefined
        do {
          const page = await history.tasks({ ...query, cursor, limit: Math.min(PAGE, limit - found.length) })
          if (where.json) for (const entry of page.entries) out(jsonLine({ event: 'task', ...entry }))
          found.push(...page.entries)
          cursor = page.cursor
        } while (cursor !== undefined && found.length < limit)
        if (where.json) return
        if (found.length === 0) out('the history has no such task\n')
        else out(table(['ENDED', 'STATE', 'TASK', 'ID', 'ATTEMPT', 'WAITED', 'TOOK', 'ERROR'], found.map(row)))
        if (cursor !== undefined) err(`there may be more; raise --limit, now ${limit}\n`)
      })
    })
}

const PAGE = 1_000
const STATES: readonly HistoryState[] = ['STARTED', 'RETRY', 'SUCCESS', 'FAILURE', 'REVOKED']

function statesOf(words: string): HistoryState[] {
  return words.split(',').map((word) => {
    const state = STATES.find((each) => each === word.trim().toUpperCase())
    if (state === undefined) throw new InvalidArgumentError(`expected ${STATES.join(', ')}, got: ${word}`)
    return state
  })
}

/** An error in a table, in characters. */
const MAX_ERROR = 100

function row({ at, endedAt, state, task, id, attempt, queuedAt, startedAt, error }: HistoryEntry): string[] {
  const between = (from: Date | undefined, to: Date | undefined): string =>
    from === undefined || to === undefined ? '' : span(to.getTime() - from.getTime())
  const said = error === undefined ? '' : `${error.errorClass}: ${error.message}`
  return [
    (endedAt ?? startedAt ?? at).toISOString(),
    state,
    task ?? '',
    id,
    attempt === 0 ? '' : String(attempt),
    // A later attempt began when the one before it had failed and the wait was over.
    attempt > 1 ? '' : between(queuedAt, startedAt),
    between(startedAt, endedAt),
    said.length > MAX_ERROR ? `${said.slice(0, MAX_ERROR - 1)}…` : said,
  ].map(printable)
}

const span = (ms: number): string => (ms < 10_000 ? `${Math.max(0, ms)} ms` : duration(ms))
