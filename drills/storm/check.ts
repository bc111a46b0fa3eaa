/** The verdict on a storm: each promise, and the tasks that show it broken. Pure. */
import type { Book, StormEntry, StormRun } from './book.js'
import { isSettled } from './book.js'

export interface Violation {
  readonly promise: string
  readonly count: number
  /** A few ids, with what is known of them. */
  readonly examples: readonly string[]
}

/** When a worker stood still, or could not ask the store (`all` of them), as the storm made it. */
export interface Frozen {
  readonly worker: string | 'all'
  readonly from: number
  readonly to: number
}

const MAX_EXAMPLES = 4
/** Clocks are read by two processes of one machine, in whole milliseconds. */
const EARLY_MS = 2
/**
 * What a worker was about to do when it was stopped, it does when it goes on, whatever has happened meanwhile. And while
 * the store is away, handlers run without it.
 */
const THAWING_MS = 1_500
/** Runs that never called the handler. */
const NOT_RUN = ['alreadyDone', 'deadLettered', 'postponed', 'replaced', 'cancelled']

export function violations(book: Book, frozen: readonly Frozen[], ticks: readonly string[]): Violation[] {
  const found: Violation[] = []
  const judge = (promise: string, broken: (entry: StormEntry, id: string) => string | undefined): void => {
    const examples: string[] = []
    let count = 0
    for (const [id, entry] of book.entries) {
      const how = broken(entry, id)
      if (how === undefined) continue
      count++
      if (examples.length < MAX_EXAMPLES) examples.push(`${id} (${entry.kind}, ${entry.queue} queue): ${how}`)
    }
    if (count > 0) found.push({ promise, count, examples })
  }
  judge('nothing confirmed is lost', (entry) =>
    entry.confirmed && !isSettled(entry) ? `its state is ${entry.status ?? 'none'}, ${runsOf(entry)}` : undefined,
  )
  judge('nothing runs after its SUCCESS is stored', (entry) => afterSuccess(entry, frozen))
  judge('a SUCCESS never changes', ({ firstSuccess, text }) =>
    firstSuccess !== undefined && text !== firstSuccess.text ? `first ${firstSuccess.text}, last ${text}` : undefined,
  )
  judge('nothing runs early', ({ due, runs }) => {
    const first = Math.min(...runs.filter(hasRun).map(({ startedAt }) => startedAt))
    return due !== undefined && first < due - EARLY_MS ? `${due - first} ms before it was due` : undefined
  })
  judge('what was told cancelled did not succeed', ({ told, status }) =>
    told === 'cancelled' && status === 'SUCCESS' ? 'it succeeded' : undefined,
  )
  judge('what was told finished succeeded', ({ told, status }) =>
    told === 'finished' && status !== 'SUCCESS' ? `its state is ${status ?? 'none'}` : undefined,
  )
  // Of what the broker itself dead-letters, as it does with a killer, nobody stores a result.
  judge('every handle ends', ({ kind, confirmed, handleEnd }) =>
    confirmed && kind !== 'killer' && handleEnd === undefined ? 'its result() is still pending' : undefined,
  )
  judge('only killers and tasks that fail are dead-lettered', ({ kind, deadLettered }) =>
    deadLettered !== undefined && kind !== 'killer' && kind !== 'redriven'
      ? `dead-lettered: ${deadLettered}`
      : undefined,
  )
  judge('what was sent back from the dead letters succeeds', ({ kind, confirmed, status }) =>
    kind === 'redriven' && confirmed && status !== 'SUCCESS' ? `its state is ${status ?? 'none'}` : undefined,
  )
  const missing = ticks.filter((id) => book.entries.get(id)?.status !== 'SUCCESS')
  if (missing.length > 0) {
    const examples = missing.slice(0, MAX_EXAMPLES).map((id) => `${id}: ${runsOf(book.entries.get(id))}`)
    found.push({ promise: 'each tick of a schedule runs', count: missing.length, examples })
  }
  const unexpected = book.unexpected()
  if (unexpected.length > 0) {
    found.push({
      promise: 'nothing runs that nobody sent',
      count: unexpected.length,
      examples: unexpected.slice(0, MAX_EXAMPLES),
    })
  }
  if (book.begun > book.ended) {
    found.push({ promise: 'every send ends', count: book.begun - book.ended, examples: [] })
  }
  return found
}

const hasRun = ({ outcome }: StormRun): boolean => !NOT_RUN.includes(outcome ?? '')

function afterSuccess({ runs, firstSuccess }: StormEntry, frozen: readonly Frozen[]): string | undefined {
  const successes = runs.filter(
    ({ outcome, acknowledgedAt }) => outcome === 'succeeded' && acknowledgedAt !== undefined,
  )
  const storedAt = Math.min(
    ...successes.map(({ acknowledgedAt = Number.POSITIVE_INFINITY }) => acknowledgedAt),
    firstSuccess?.at ?? Number.POSITIVE_INFINITY,
  )
  const late = runs.find((run) => hasRun(run) && run.startedAt > storedAt && !hadJustThawed(run, frozen))
  return late === undefined ? undefined : `${late.worker} began it ${late.startedAt - storedAt} ms after that`
}

const hadJustThawed = ({ worker, startedAt }: StormRun, frozen: readonly Frozen[]): boolean =>
  frozen.some(
    (each) =>
      (each.worker === worker || each.worker === 'all') && startedAt >= each.from && startedAt <= each.to + THAWING_MS,
  )

function runsOf(entry: StormEntry | undefined): string {
  const last = entry?.runs.at(-1)
  if (entry === undefined || last === undefined) return 'no worker began it'
  return `${entry.runs.length} runs, the last by ${last.worker}, which ${last.outcome === undefined ? 'never finished' : `ended as ${last.outcome}`}`
}
