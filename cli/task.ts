/** `warren task`: the state of one task in the store, and its events. */
import type { Command } from 'commander'
import type { StoredResult, TaskAttempt, TaskEvent, Warren } from 'warren'
import { connected, type WhereJsonOptions, withWhere } from './connected.js'
import { number } from './dlqQueues.js'
import { Failure } from './failure.js'
import type { Output, Verdict } from './output.js'
import { jsonLine, printable, printableLines } from './printable.js'
import { duration } from './status.js'

interface TaskOptions extends WhereJsonOptions {
  readonly follow?: true
}

export function addTask(program: Command, output: Output, verdict: Verdict): void {
  withWhere(program.command('task'))
    .description('show the state of one task, its attempts and its events')
    .argument('<id>')
    .option('--follow', 'print events as they happen, until the task ends')
    .option('--json', 'print one JSON object a line')
    .addHelpText(
      'after',
      `
Everything comes from the result store, or from its history if the result has expired. The store has no record of a task
that has not begun or that asked for no result; dead letters are shown by "warren dlq show".

Exit code: 1 if the store has no such task; with --follow, if the task did not end as SUCCESS.

Examples:
  warren task 0b0e8a52-3c39-4a3c-9a5c-0f2b6f1f6a53
  warren task 0b0e8a52-3c39-4a3c-9a5c-0f2b6f1f6a53 --follow --json | jq -r .event`,
    )
    .action(async (id: string, options: TaskOptions) => {
      await connected(options, 'warren task', async (warren) => {
        if (options.follow) verdict(await follow(warren, id, options, output))
        else await show(warren, id, options, output)
      })
    })
}

async function show(warren: Warren, id: string, { json }: TaskOptions, { out }: Output): Promise<void> {
  const events: TaskEvent[] = []
  const state = await warren.state(id)
  for await (const event of warren.eventsOf(id, { follow: false })) events.push(event)
  const isKnown = state !== undefined || events.length > 0
  // The history may be kept longer than the result.
  const attempts = isKnown ? [] : ((await warren.history.task(id))?.attempts ?? [])
  if (!isKnown && attempts.length === 0) {
    throw new Failure(
      `the store has no task ${printable(id)}: it has not begun, asked for no result, or its result has expired`,
    )
  }
  if (json) {
    if (state !== undefined) out(jsonLine({ event: 'state', ...state }))
    for (const event of events) out(jsonOf(event))
    for (const attempt of attempts) out(jsonLine({ event: 'attempt', id, ...attempt }))
    return
  }
  if (state !== undefined) out(`${stateText(state)}\n`)
  for (const event of events) out(eventText(event))
  for (const attempt of attempts) out(attemptText(attempt))
}

/** Resolves with the exit code. */
async function follow(warren: Warren, id: string, { json }: TaskOptions, { out }: Output): Promise<number> {
  let succeeded = false
  for await (const event of warren.eventsOf(id)) {
    out(json ? jsonOf(event) : eventText(event))
    succeeded = event.type === 'done' && event.status === 'SUCCESS'
  }
  return succeeded ? 0 : 1
}

const jsonOf = ({ type, ...event }: TaskEvent): string => jsonLine({ event: type, ...event })

/** The longest shown value, in characters. */
const MAX_SHOWN = 2_000

function valueText(value: unknown): string {
  const text = JSON.stringify(value) ?? ''
  return printable(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}… (${number(text.length)} characters)` : text)
}

export function stateText(state: StoredResult, now: number = Date.now()): string {
  const { id, task, status, attempt, run, queue, queuedAt, startedAt, doneAt, error, result } = state
  const at = (instant: Date | undefined) =>
    instant && `${instant.toISOString()}, ${duration(now - instant.getTime())} ago`
  const facts: [string, string | undefined][] = [
    ['id', id],
    ['task', task],
    ['state', status],
    ['attempt', attempt?.toString()],
    ['run', run === undefined || run === 0 ? undefined : `${run}, ${at(new Date(run))}`],
    ['queue', queue],
    ['queued', at(queuedAt)],
    ['started', at(startedAt)],
    ['done', at(doneAt)],
    ['error', error && `${error.errorClass}: ${error.message}`],
  ]
  const lines = facts.flatMap(([name, fact]) => (fact === undefined ? [] : [`${name.padEnd(10)}${printable(fact)}\n`]))
  const value = error === undefined && result !== null ? `${'result'.padEnd(10)}${valueText(result)}\n` : ''
  const trace = error?.traceback === undefined ? '' : `\n${printableLines(error.traceback)}\n`
  return `${lines.join('')}${value}${trace}`
}

export function eventText(event: TaskEvent): string {
  const dropped = event.dropped === undefined ? '' : `  (${number(event.dropped)} before it were dropped)`
  const attempt = event.type === 'queued' ? '' : `attempt ${event.attempt}  `
  return `${event.at.toISOString()}  ${event.type.padEnd(9)}${`${attempt}${detailOf(event)}${dropped}`}`
    .trimEnd()
    .concat('\n')
}

function attemptText({ attempt, state, endedAt, startedAt, error }: TaskAttempt): string {
  const at = (endedAt ?? startedAt)?.toISOString() ?? ''
  const said = error === undefined ? '' : printable(`${error.errorClass}: ${error.message}`)
  return `${`${at}  ${state.padEnd(9)}${attempt === 0 ? '' : `attempt ${attempt}  `}${said}`.trimEnd()}\n`
}

function detailOf(event: TaskEvent): string {
  switch (event.type) {
    case 'queued':
      return ''
    case 'started':
      return event.hostname === undefined ? '' : printable(`on ${event.hostname}, process ${event.pid}`)
    case 'progress':
      return event.tooLong === undefined
        ? valueText(event.value)
        : `a value of ${number(event.tooLong)} characters, which was not kept`
    case 'retry': {
      const next = event.delayMs === undefined ? '' : `; the next attempt is due ${number(event.delayMs)} ms later`
      return `${printable(`${event.error.errorClass}: ${event.error.message}`)}${next}`
    }
    case 'done':
      return event.status === 'SUCCESS'
        ? `SUCCESS ${valueText(event.output)}`
        : `${event.status} ${printable(`${event.error.errorClass}: ${event.error.message}`)}`
    default:
      event satisfies never
      return ''
  }
}
