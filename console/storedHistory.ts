/**
 * The history of tasks that the store keeps, searched for the page: by state, task, queue, time, and by a text, which may be
 * an id, a task's name, or a part of an error. Where the store keeps none, what the console has seen itself.
 */
import type { HistoryEntry, HistoryState, Warren } from 'warren'
import { given } from './given.js'
import type { ProcessNames } from './processNames.js'
import { Refusal } from './refusal.js'
import type { TaskHistory, TaskItem, TaskSearch, TasksFound } from './taskHistory.js'
import { STATES } from './taskHistory.js'
import { excerpt } from './text.js'

const MAX_ERROR = 300
/** Whether there is a history is asked again so often. */
const ASKED_MS = 10_000
const NAME = /^[\w@-]+(?:\.[\w@-]+)+$/
const NO_SPACE = /^\S{4,255}$/
/** How long one page is searched for: behind it, the page says how far that came, and goes on. */
const SEARCH_MS = 300

/** How much a worker's clock may differ from the store's. */
const CLOCKS_MS = 2_000

type Way = 'i' | 'n' | 'e'
interface Words {
  readonly id?: string
  readonly task?: string
  readonly search?: string
  readonly limit?: number
  readonly searchMs?: number
}

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
    if (q === undefined) return this.#page(warren, search, {})
    const known = after === undefined && NO_SPACE.test(q) ? await this.#known(warren, search, q) : undefined
    if (known !== undefined) return known
    const places = after === undefined ? undefined : placesIn(after)
    const ways = waysFor(q, search).filter(({ key }) => places === undefined || places.has(key))
    if (ways.length === 0)
      throw new Refusal(400, 'BAD_FILTER', 'Expected `after` to be where a page of this search ended')
    const pages = ways.map(({ key, words }) =>
      this.#page(warren, { ...search, ...given('after', places?.get(key)) }, words),
    )
    const all = Promise.all(pages)
    all.catch(() => undefined)
    // What is an id is meant so: nothing else is waited for then.
    const byId = ways[0]?.key === 'i' ? await pages[0] : undefined
    if (byId !== undefined && byId.items.length > 0) return { items: byId.items, source: 'history' }
    return together(
      ways.map(({ key }) => key),
      await all,
    )
  }

  /** The task with this id whose result is kept: that says when it ended, so that the history is read there alone. */
  async #known(warren: Warren, search: TaskSearch, id: string): Promise<TasksFound | undefined> {
    const at = (await stateOf(warren, id))?.doneAt?.getTime()
    if (at === undefined) return undefined
    const { since = 0, until = Number.POSITIVE_INFINITY } = search
    const [from, to] = [Math.max(since, at - CLOCKS_MS), Math.min(until, at + CLOCKS_MS)]
    if (from > to) return undefined
    const { items } = await this.#page(
      warren,
      { ...search, since: from, until: to },
      { id, limit: 1, searchMs: SEARCH_MS / 2 },
    )
    return items.length === 0 ? undefined : { items, source: 'history' }
  }

  async #page(warren: Warren, search: TaskSearch, words: Words): Promise<TasksFound> {
    const { state, task, queue, worker, since, until, size, after } = search
    const { entries, cursor, searchedTo } = await warren.history.tasks({
      ...(state === undefined ? {} : { state: STATES[state].filter(isKeptState) }),
      ...given('task', task),
      ...given('queue', queue),
      ...(since === undefined ? {} : { since: new Date(since) }),
      ...(until === undefined ? {} : { until: new Date(until) }),
      ...given('cursor', after),
      ...{ limit: size, searchMs: SEARCH_MS },
      ...words,
    })
    const items = entries
      .map((entry) => itemOf(entry, this.#names))
      .filter((item) => worker === undefined || item.worker?.startsWith(worker))
    const short = items.length < size && cursor !== undefined && searchedTo !== undefined
    return {
      ...{ items, source: 'history' as const },
      ...given('next', cursor),
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

/** Undefined where nothing is known, and of words that cannot be an id. */
const stateOf = async (warren: Warren, id: string) => {
  try {
    return await warren.state(id)
  } catch {
    return undefined
  }
}

/** Words may be a task's id, its name, or a part of an error. An id is found once, and nothing is looked for behind it. */
function waysFor(q: string, { task }: TaskSearch): { readonly key: Way; readonly words: Words }[] {
  return [
    ...(NO_SPACE.test(q) ? [{ key: 'i', words: { id: q, limit: 1 } } as const] : []),
    ...(NAME.test(q) && task === undefined ? [{ key: 'n', words: { task: q } } as const] : []),
    { key: 'e', words: { search: q } },
  ]
}

/** One page of what was found each way; it goes on where there is more to look at. */
function together(keys: readonly Way[], pages: readonly TasksFound[]): TasksFound {
  const items = new Map(pages.flatMap((page) => page.items).map((item) => [item.id, item]))
  const next = pages.flatMap((page, at) => (page.next === undefined ? [] : [`${keys[at]}${page.next}`])).join('_')
  // Up to where every way has looked at all.
  const [searchedTo] = pages
    .flatMap((page) => page.searchedTo ?? [])
    .sort()
    .reverse()
  return {
    ...{ items: [...items.values()], source: 'history' },
    ...(next === '' ? {} : { next }),
    ...given('searchedTo', searchedTo),
  }
}

/** Where each way continues. */
const placesIn = (after: string): ReadonlyMap<string, string> =>
  new Map(after.split('_').map((place) => [place.slice(0, 1), place.slice(1)]))

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
