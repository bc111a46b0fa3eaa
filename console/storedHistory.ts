/**
 * The history of tasks that the store keeps, searched for the page: by state, task, queue, time, and by a text, which may be
 * an id, a task's name, or a part of an error. Where the store keeps none, what the console has seen itself.
 */
import type { HistoryEntry, HistoryState, Warren } from 'warren'
import type { ProcessNames } from './processNames.js'
import type { TaskHistory, TaskItem, TaskSearch, TasksFound } from './taskHistory.js'
import { STATES } from './taskHistory.js'
import { excerpt } from './text.js'

const MAX_ERROR = 300
/** Whether there is a history is asked again so often. */
const ASKED_MS = 10_000
const NAME = /^[\w@-]+(?:\.[\w@-]+)+$/
const NO_SPACE = /^\S{4,255}$/

export class StoredHistory implements TaskHistory {
  readonly #open: () => Promise<Warren>
  readonly #sample: TaskHistory
  readonly #names: ProcessNames
  #kept: { readonly at: number; readonly is: Promise<boolean> } | undefined

  /** `sample`: where it is looked while the store has no history. */
  constructor(open: () => Promise<Warren>, sample: TaskHistory, names: ProcessNames) {
    this.#open = open
    this.#names = names
    this.#sample = sample
  }

  async find(search: TaskSearch): Promise<TasksFound> {
    const warren = await this.#open()
    if (!(await this.#isKept(warren))) return this.#sample.find(search)
    const { q, after } = search
    if (q === undefined || after !== undefined) return this.#page(warren, search, q === undefined ? {} : { search: q })
    // What names a task, or is its id, is meant so; the same words may be in an error, too.
    const [byId, byName, byError] = await Promise.all([
      NO_SPACE.test(q) ? this.#page(warren, search, { id: q }) : undefined,
      NAME.test(q) && search.task === undefined ? this.#page(warren, search, { task: q }) : undefined,
      this.#page(warren, search, { search: q }),
    ])
    if (byId !== undefined && byId.items.length > 0) return { items: byId.items, source: 'history' }
    const known = new Set(byError.items.map(({ id }) => id))
    const named = (byName?.items ?? []).filter(({ id }) => !known.has(id))
    return { ...byError, items: [...named, ...byError.items].slice(0, search.size) }
  }

  async #page(
    warren: Warren,
    search: TaskSearch,
    words: { search?: string; id?: string; task?: string },
  ): Promise<TasksFound> {
    const { state, task, queue, worker, since, until, size, after } = search
    const { entries, cursor, searchedTo } = await warren.history.tasks({
      ...(state === undefined ? {} : { state: STATES[state].filter(isKeptState) }),
      ...(task === undefined ? {} : { task }),
      ...(queue === undefined ? {} : { queue }),
      ...(since === undefined ? {} : { since: new Date(since) }),
      ...(until === undefined ? {} : { until: new Date(until) }),
      ...words,
      ...(after === undefined ? {} : { cursor: after }),
      limit: size,
    })
    const items = entries
      .map((entry) => itemOf(entry, this.#names))
      .filter((item) => worker === undefined || item.worker?.startsWith(worker))
    const short = items.length < size && searchedTo !== undefined
    return {
      ...{ items, source: 'history' as const },
      ...(cursor === undefined ? {} : { next: cursor }),
      ...(short ? { searchedTo: searchedTo.toISOString() } : {}),
    }
  }

  #isKept(warren: Warren): Promise<boolean> {
    const now = performance.now()
    if (this.#kept === undefined || now - this.#kept.at > ASKED_MS) {
      const kept = { at: now, is: warren.history.range().then((range) => range !== undefined) }
      this.#kept = kept
      kept.is.catch(() => {
        if (this.#kept === kept) this.#kept = undefined
      })
    }
    return this.#kept.is
  }
}

const isKeptState = (state: string): state is HistoryState => state !== 'PROGRESS'

function itemOf(entry: HistoryEntry, names: ProcessNames): TaskItem {
  const { id, state, task, queue, attempt, hostname, pid, queuedAt, startedAt, endedAt, at, error } = entry
  return {
    ...{ id, status: state, attempt },
    ...(task === undefined ? {} : { task }),
    ...(queue === undefined ? {} : { queue }),
    ...(hostname === undefined ? {} : { worker: names.of(hostname, pid) }),
    ...(queuedAt === undefined ? {} : { queuedAt: queuedAt.toISOString() }),
    ...(startedAt === undefined ? {} : { startedAt: startedAt.toISOString() }),
    // A cancelling, and what runs, have no end of their own.
    ...(state === 'STARTED' ? {} : { doneAt: (endedAt ?? at).toISOString() }),
    ...(error === undefined
      ? {}
      : { error: { errorClass: error.errorClass, message: excerpt(error.message, MAX_ERROR) } }),
  }
}
