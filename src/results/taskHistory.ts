/** All that the store knows of one task's attempts, put together from its events, its result and the history. */
import { decodeEntry } from '../wire/eventEntry.js'
import type { HistoryEntry } from '../wire/historyEntry.js'
import { decodeResult, isCancelled, isFinal, type ResultStatus, type StoredResult } from '../wire/resultFormat.js'
import type { HistoryQuery } from './historyQuery.js'
import type { EventsReply } from './script.js'

/** One attempt. Its worker's clock says when it was queued, began and ended. */
export interface TaskAttempt extends Omit<HistoryEntry, 'id' | 'task' | 'at' | 'queuedAt'> {
  /** Of `RETRY`: when the next attempt was due. */
  readonly nextAt?: Date
}

export interface TaskHistory {
  readonly id: string
  /** The task's name. */
  readonly task?: string
  readonly queue?: string
  readonly service?: string
  /** What the store holds now, Celery's states. Absent when its result has expired. */
  readonly state?: ResultStatus
  /** The latest run that is known. */
  readonly run: number
  /** When it was sent, or its latest run began. */
  readonly queuedAt?: Date
  /** In order: by run, then by attempt. A cancelling has the number 0. */
  readonly attempts: readonly TaskAttempt[]
  /** Present when the history is so long that it was searched no further back than this: attempts before may be missing. */
  readonly searchedTo?: Date
}

/** What a search has found. */
export interface FoundEntries {
  /** The newest first. */
  readonly entries: readonly HistoryEntry[]
  /**
   * Present when the search ended before it had seen all: what was noted after this instant has been searched. A page may
   * then have less entries than its limit.
   */
  readonly searchedTo?: Date
}

interface Sources {
  /** The task's result and its events. */
  readonly read: () => Promise<EventsReply>
  readonly search: (query: HistoryQuery) => Promise<FoundEntries>
}

/** How far the clocks of workers and of the store may be apart, and how long storing may take. */
const APART_MS = 60_000

export async function taskHistory(id: string, { read, search }: Sources): Promise<TaskHistory | undefined> {
  const [latest, text, events] = await read()
  const result = text === '' ? undefined : resultIn(text)
  const parts = events.flatMap(([, json]) => attemptIn(Number(latest), json))
  const { entries, searchedTo } = await search(rangeOf(result, text))
  if (result === undefined && parts.length === 0 && entries.length === 0) return undefined
  const known = new Map<string, TaskAttempt>()
  const add = (attempt: TaskAttempt): void => {
    const key = `${attempt.run} ${attempt.attempt}`
    known.set(key, merged(known.get(key), attempt))
  }
  for (const part of parts) add(part)
  for (const entry of [...entries].reverse()) add(withNext(entry))
  if (result?.attempt !== undefined && isFinal(result.status)) add(lastOf(result))
  const attempts = [...known.values()].sort((a, b) => a.run - b.run || a.attempt - b.attempt)
  const named = entries.find(({ task }) => task !== undefined)
  const task = result?.task ?? named?.task
  const queue = result?.queue ?? named?.queue
  const queuedAt = result?.queuedAt ?? entries[0]?.queuedAt
  // The run of a cancelling is its instant.
  const run = (isCancelled(text) ? undefined : result?.run) ?? attempts.findLast(({ attempt }) => attempt > 0)?.run ?? 0
  const state = result?.status ?? (parts.length > 0 ? attempts.at(-1)?.state : undefined)
  return {
    ...{ id, run, attempts },
    ...(task === undefined ? undefined : { task }),
    ...(queue === undefined ? undefined : { queue }),
    ...(named?.service === undefined ? undefined : { service: named.service }),
    ...(state === undefined ? undefined : { state }),
    ...(queuedAt === undefined ? undefined : { queuedAt }),
    ...(searchedTo === undefined ? undefined : { searchedTo }),
  }
}

/** Where its entries may be: of a task that was sent again, anywhere before its end. */
function rangeOf(result: StoredResult | undefined, text: string): HistoryQuery {
  const { queuedAt, doneAt, run = 0 } = result ?? {}
  // It may come to a worker long after it was cancelled.
  if (isCancelled(text)) return {}
  const first = run > 0 ? undefined : queuedAt
  const since = first && new Date(first.getTime() - APART_MS)
  const until = doneAt && new Date(doneAt.getTime() + APART_MS)
  // Clocks that are further apart say nothing.
  return since !== undefined && until !== undefined && since > until ? {} : { since, until }
}

function resultIn(text: string): StoredResult | undefined {
  try {
    return decodeResult(text)
  } catch {
    return undefined
  }
}

/** What an entry of its events says of an attempt. */
function attemptIn(run: number, json: string): TaskAttempt[] {
  const entry = decodeEntry(json)
  if (entry === undefined) return []
  const { type, attempt, at, started, error, delayMs, hostname, pid } = entry
  const began = type === 'started' ? at : started
  const common = {
    ...{ attempt, run },
    ...(hostname === undefined ? undefined : { hostname }),
    ...(pid === undefined ? undefined : { pid }),
    ...(began === undefined ? undefined : { startedAt: new Date(began) }),
  }
  if (type !== 'retry') return [{ ...common, state: 'STARTED' }]
  const said = error && { errorClass: error.errorClass, message: error.message }
  return [
    withNext({
      ...common,
      state: 'RETRY',
      endedAt: new Date(at),
      ...(said === undefined ? undefined : { error: said }),
      ...(delayMs === undefined ? undefined : { delayMs }),
    }),
  ]
}

function withNext(attempt: TaskAttempt | HistoryEntry): TaskAttempt {
  const { delayMs, endedAt } = attempt
  const nextAt = delayMs === undefined || endedAt === undefined ? undefined : new Date(endedAt.getTime() + delayMs)
  const { id: _id, task: _task, at: _at, queuedAt: _queuedAt, ...rest } = attempt as HistoryEntry
  return nextAt === undefined ? rest : { ...rest, nextAt }
}

function lastOf({ status, attempt = 1, run = 0, queue, startedAt, doneAt, error }: StoredResult): TaskAttempt {
  return {
    ...{ state: status as TaskAttempt['state'], attempt, run },
    ...(queue === undefined ? undefined : { queue }),
    ...(startedAt === undefined ? undefined : { startedAt }),
    ...(doneAt === undefined ? undefined : { endedAt: doneAt }),
    ...(error === undefined ? undefined : { error: { errorClass: error.errorClass, message: error.message } }),
  }
}

/** What is known later says more: an attempt that began and then ended has ended. */
function merged(before: TaskAttempt | undefined, later: TaskAttempt): TaskAttempt {
  if (before === undefined) return later
  return later.state === 'STARTED' ? { ...later, ...before } : { ...before, ...later }
}
