/**
 * The history, read: how attempts ended, the newest first, in pages; and of one task all that is known of its attempts.
 *
 * A search reads the store's stream from the newest item to the oldest, in steps that keep the store busy for a few
 * milliseconds each. The store leaves out items in which nothing can match; where no success can, it reads the stream that
 * has none. After `searchMs` a page ends where the search has come to, and says so.
 */
import { NoResultStoreError } from '../errors/index.js'
import { is, settleOptions } from '../options.js'
import { decodeItem, type HistoryEntry, type HistoryItem } from '../wire/historyEntry.js'
import { historyKey, resultKey, unsuccessfulKey } from '../wire/names.js'
import { type HistoryQuery, type Place, settleQuery } from './historyQuery.js'
import { scanScript, stateScript } from './historyScripts.js'
import type { Results } from './store.js'
import { type FoundEntries, type TaskHistory, taskHistory } from './taskHistory.js'

export interface HistoryPage extends FoundEntries {
  /** Where the next page begins. Absent on the last page: all that was asked for has been searched. */
  readonly cursor?: string
}

/** How far the history reaches. */
export interface HistoryRange {
  /** How many results it holds, about. */
  readonly entries: number
  readonly oldest: Date
  readonly newest: Date
}

interface Candidate {
  readonly entry: HistoryEntry
  readonly place: Place
}

/** How many characters one step looks at, and returns: the store does nothing else meanwhile. */
const LOOKED = 500_000
const RETURNED = 256_000
/** How much of an item one entry takes, about: the first step returns no more than a page needs. */
const ENTRY_CHARACTERS = 120

export class History {
  readonly #results: Results | undefined
  readonly #key: string
  readonly #unsuccessfulKey: string

  /** Does no I/O. Made by `connect()`. */
  constructor(results: Results | undefined, vhost: string) {
    this.#results = results
    this.#key = historyKey(vhost)
    this.#unsuccessfulKey = unsuccessfulKey(vhost)
  }

  // All of these throw `OptionsError`, `NoResultStoreError`, `StoreUnreachableError`, `StoreRefusesError`.

  /**
   * A page of the tasks that ended, are between attempts, or (with `trackStarted`) run, the latest first. Each task is on it
   * once, by its latest state; with `all` every attempt is.
   */
  async tasks(query: HistoryQuery = {}): Promise<HistoryPage> {
    const search = settleQuery(query)
    const { limit, all, from, oldest, filter } = search
    const key = search.unsuccessful ? this.#unsuccessfulKey : this.#key
    const endsAt = performance.now() + search.searchMs
    const entries: HistoryEntry[] = []
    const seen = new Set<string>()
    let wanted = Math.min(RETURNED, limit * ENTRY_CHARACTERS)
    for (let newest = search.newest; ; wanted = RETURNED) {
      const [next, last, items] = await this.#scan(key, newest, oldest, wanted, filter)
      const candidates = items
        .flatMap((item) => candidatesIn(item, from?.item === item[0] ? from.entries : undefined))
        .filter(({ entry }) => search.matches(entry) && (all || !seen.has(entry.id)))
      for (let at = 0; at < candidates.length; at += limit) {
        const some = candidates.slice(at, at + limit)
        const current = all ? undefined : await this.#current(some.map(({ entry }) => entry))
        for (const [index, { entry, place }] of some.entries()) {
          if (!all && (seen.has(entry.id) || current?.[index] === false)) continue
          seen.add(entry.id)
          entries.push(entry)
          if (entries.length === limit) return { entries, cursor: cursorOf(place), searchedTo: entry.at }
        }
      }
      if (next === '') return { entries }
      newest = next
      if (performance.now() < endsAt) continue
      return { entries, cursor: cursorOf({ item: last, entries: 0 }), searchedTo: instantOf(last) }
    }
  }

  /**
   * The attempts of one task, with their errors and the waits between them, as far as the store knows them: from its result,
   * its events and the history. Undefined when it knows nothing of it.
   */
  async task(id: string): Promise<TaskHistory | undefined> {
    settleOptions('history.task', { id }, { id: is.text }, {}, ['id'])
    const results = this.#of
    return taskHistory(id, {
      read: () => results.events.read(id),
      search: (query) => this.tasks({ ...query, id, all: true, limit: 1_000 }),
    })
  }

  /** How far the history reaches; undefined when there is none. */
  async range(): Promise<HistoryRange | undefined> {
    const [[first], [last]] = await this.#of.ask((store) =>
      Promise.all([store.xrange(this.#key, '-', '+', 'COUNT', 1), store.xrevrange(this.#key, '+', '-', 'COUNT', 1)]),
    )
    if (first === undefined || last === undefined) return undefined
    // The number in an id is that of the last entry in its item.
    const entries = numberOf(last[0]) - numberOf(first[0]) + decodeItem(first).length
    return { entries, oldest: instantOf(first[0]), newest: instantOf(last[0]) }
  }

  get #of(): Results {
    if (this.#results === undefined) throw new NoResultStoreError()
    return this.#results
  }

  async #scan(
    key: string,
    newest: string,
    oldest: string,
    wanted: number,
    filter: readonly string[],
  ): Promise<ScanReply> {
    return this.#of.ask(
      (store) => scanScript(store, key, newest, oldest, LOOKED, wanted, ...filter) as Promise<ScanReply>,
    )
  }

  /** Of each entry, whether the store knows no later state of its task. */
  #current(entries: readonly HistoryEntry[]): Promise<boolean[]> {
    return this.#of.ask((store) =>
      Promise.all(
        entries.map(async (entry) => {
          // Nothing replaces a success.
          if (entry.state === 'SUCCESS') return true
          return isCurrent(entry, (await stateScript(store, resultKey(entry.id))) as StateReply)
        }),
      ),
    )
  }
}

type ScanReply = readonly [next: string, last: string, items: readonly HistoryItem[]]
type StateReply = readonly [status: string, attempt: string, run: string, cancelled: number]

function isCurrent(entry: HistoryEntry, [status, attempt, run, cancelled]: StateReply): boolean {
  // Its result has expired, and nobody knows.
  if (status === '') return true
  if (cancelled === 1) return entry.state === 'REVOKED'
  if (Number(run) !== entry.run) return Number(run) < entry.run
  if (Number(attempt) !== entry.attempt) return Number(attempt) < entry.attempt
  return status === entry.state || (status === 'PROGRESS' && entry.state === 'STARTED')
}

/** The newest first. `left`: how many of its entries are to be looked at. */
function candidatesIn(item: HistoryItem, left = Number.POSITIVE_INFINITY): Candidate[] {
  return decodeItem(item)
    .slice(0, left)
    .map((entry, index) => ({ entry, place: { item: item[0], entries: index } }))
    .reverse()
}

const cursorOf = ({ item, entries }: Place): string => `${item}.${entries}`
const numberOf = (item: string): number => Number(item.slice(item.indexOf('-') + 1))
const instantOf = (item: string): Date => new Date(Number(item.slice(0, item.indexOf('-'))))
