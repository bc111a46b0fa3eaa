/** What is asked of the history, as its script takes it, and as the entries that it returns are looked at. */
import { OptionsError } from '../errors/index.js'
import { memberOf } from '../kinds.js'
import { is, settleOptions } from '../options.js'
import { HISTORY_STATES, type HistoryEntry, type HistoryState, historyLetters } from '../wire/historyEntry.js'

export interface HistoryQuery {
  readonly state?: HistoryState | readonly HistoryState[] | undefined
  /** A task, or its name. */
  readonly task?: string | { readonly name: string } | undefined
  readonly queue?: string | undefined
  readonly service?: string | undefined
  /** The id of a task. */
  readonly id?: string | undefined
  /** A text in the class or the message of the error, in upper or lower case. */
  readonly search?: string | undefined
  /** Noted at this instant or later, by the store's clock. */
  readonly since?: Date | undefined
  /** Noted at this instant or earlier. */
  readonly until?: Date | undefined
  /** How many entries a page has at most: 1 to 1,000. Default 50. */
  readonly limit?: number | undefined
  /** Continues where a page ended, with the same query. */
  readonly cursor?: string | undefined
  /** Every entry that matches. Otherwise each task once on a page, by its latest state. Default false. */
  readonly all?: boolean | undefined
  /** How long to search for one page, about, in milliseconds. Default 400. */
  readonly searchMs?: number | undefined
}

/** A place in the history: an item, and how many of its entries are left to look at. */
export interface Place {
  readonly item: string
  readonly entries: number
}

interface Search {
  readonly limit: number
  readonly all: boolean
  readonly searchMs: number
  readonly from: Place | undefined
  readonly newest: string
  readonly oldest: string
  /** For the script: what an item must have so that an entry of it may match. */
  readonly filter: readonly string[]
  /** No success matches. */
  readonly unsuccessful: boolean
  matches(entry: HistoryEntry): boolean
}

const CURSOR = /^(\d{1,16}-\d{1,16})\.(\d{1,4})$/

const isState = is.oneOf(...HISTORY_STATES)
const CHECKS = {
  state: is.anyOf(isState, is.listOf(isState, 'a list of them, not empty')),
  task: is.anyOf(is.text, (value) =>
    is.text(memberOf(value, 'name')) === undefined ? undefined : 'a task, or its name',
  ),
  ...{ queue: is.text, service: is.text, id: is.text, search: is.text, since: is.date, until: is.date },
  limit: is.integer(1, 1_000),
  cursor: is.matching(CURSOR, 'the cursor of a page'),
  all: is.flag,
  searchMs: is.duration(1),
}

/** Throws `OptionsError`. */
export function settleQuery(query: HistoryQuery): Search {
  const settled = settleOptions('history.tasks', query, CHECKS, { limit: 50, all: false, searchMs: 400 })
  const { task, queue, service, id, search, since, until, cursor, limit, all, searchMs } = settled
  if (since !== undefined && until !== undefined && since > until) {
    throw new OptionsError('history.tasks', ['expected `since` not to be after `until`'])
  }
  const states = settled.state === undefined ? [] : [settled.state].flat()
  const name = typeof task === 'object' ? task.name : task
  const said = search?.toLowerCase()
  const names = [name, queue, service].flatMap((each) => (each === undefined ? [] : [JSON.stringify(each)]))
  const [, item, entries] = CURSOR.exec(cursor ?? '') ?? []
  return {
    ...{ limit, all, searchMs },
    from: item === undefined ? undefined : { item, entries: Number(entries) },
    newest: item ?? (until === undefined ? '+' : instantOf(until)),
    oldest: since === undefined ? '-' : instantOf(since),
    // What succeeded has no error.
    unsuccessful: said !== undefined || (states.length > 0 && !states.includes('SUCCESS')),
    filter: [
      historyLetters(states),
      plainPart(search ?? ''),
      id === undefined ? '' : `[${JSON.stringify(id)},`,
      ...names,
    ],
    matches: (entry) =>
      (states.length === 0 || states.includes(entry.state)) &&
      (name === undefined || entry.task === name) &&
      (queue === undefined || entry.queue === queue) &&
      (service === undefined || entry.service === service) &&
      (id === undefined || entry.id === id) &&
      (said === undefined || errorText(entry).includes(said)),
  }
}

const errorText = ({ error }: HistoryEntry): string =>
  error === undefined ? '' : `${error.errorClass}: ${error.message}`.toLowerCase()

const instantOf = (at: Date): string => String(Math.max(0, at.getTime()))

/**
 * The longest part of a text that the store's script sees as it is: an error is kept as JSON there, its class and its
 * message apart, and Lua knows no other letters than those of ASCII.
 */
const plainPart = (text: string): string =>
  text
    .split(/[^ !#-9;-[\]-~]+/)
    // A space may be the one behind the class.
    .map((each) => each.trim())
    .reduce((longest, each) => (each.length > longest.length ? each : longest), '')
    .toLowerCase()
