/**
 * What the store's history keeps: how attempts ended, and of some that they began. The entries of all results that are
 * stored together are one item of a stream, in five fields that every item has, so that the stream does not repeat their
 * names:
 *
 *     s  the states in it, a letter each                          SF
 *     n  the format, an instant, the process, what was run        [1,1700000000000,4711,"host",[["task","queue","service"]]]
 *     e  for each result its entry, or 0                          [["id",0,"S",1,0,120,15,2],0]
 *     t  the errors, by the place of their entry; '' for none     [[1,"TypeError","no such user"]]
 *     x  the places, from 1, of results that were not stored      3,-7
 *
 * An entry is: id, place in the list of what was run, state, attempt, run, and how many milliseconds before the instant
 * it was queued, began and ended, null for unknown. In `x` a negative place is of a task that had been cancelled.
 */
import { shortened } from '../errors/error.js'
import { serviceOf } from './names.js'

export type HistoryState = 'STARTED' | 'RETRY' | 'SUCCESS' | 'FAILURE' | 'REVOKED'

/** What is noted of an attempt, beside its result. Instants are in milliseconds since 1970, by the worker's clock. */
export interface HistoryNote {
  readonly id: string
  readonly state: HistoryState
  readonly attempt: number
  readonly run: number
  /** The task's name. */
  readonly task?: string | undefined
  /** Where its message was, which also says the service: see {@link serviceOf}. */
  readonly queue?: { readonly name: string; readonly task: string } | undefined
  readonly queued?: number | undefined
  readonly started?: number | undefined
  /** When the attempt ended, or began. */
  readonly at: number
  readonly error?: { readonly errorClass: string; readonly message: string } | undefined
  /** Of a retry: how long until the next attempt. */
  readonly delayMs?: number | undefined
}

/** One entry of the history: an attempt that ended, or began. */
export interface HistoryEntry {
  /** The task id. */
  readonly id: string
  /** The task's name. Absent for a cancelling, which knows the id alone. */
  readonly task?: string
  readonly queue?: string
  readonly service?: string
  /**
   * `SUCCESS`, `FAILURE`, `REVOKED` (cancelled, expired, replaced): the task ended. `RETRY`: the attempt failed, and another
   * follows. `STARTED`: the attempt began, of a task with `trackStarted`.
   */
  readonly state: HistoryState
  /** From 1; 0 for a cancelling. */
  readonly attempt: number
  /** Which run of the task: 0, or a later one, in milliseconds since 1970, when it was sent again or redriven. */
  readonly run: number
  /** The process that ran it. */
  readonly hostname?: string
  readonly pid?: number
  /** When it was sent, or the run began. */
  readonly queuedAt?: Date
  readonly startedAt?: Date
  /** Absent for `STARTED`. */
  readonly endedAt?: Date
  /** When the store noted it, by its own clock. The history is in this order. */
  readonly at: Date
  /** Cut to 100 and 300 characters. The whole error is in the result, and in the dead letter. */
  readonly error?: { readonly errorClass: string; readonly message: string }
  /** Of `RETRY`: how long until the next attempt, in milliseconds. */
  readonly delayMs?: number
}

const LETTERS: Readonly<Record<HistoryState, string>> = {
  ...{ STARTED: 'B', RETRY: 'Y', SUCCESS: 'S', FAILURE: 'F', REVOKED: 'R' },
}
const STATES = new Map(Object.entries(LETTERS).map(([state, letter]) => [letter, state as HistoryState]))

export const HISTORY_STATES = Object.keys(LETTERS) as readonly HistoryState[]
export const historyLetters = (states: readonly HistoryState[]): string => states.map((each) => LETTERS[each]).join('')

const FORMAT = 1
const MAX_NAME = 255
const MAX_CLASS = 100
const MAX_MESSAGE = 300

interface EncodedNotes {
  readonly states: string
  readonly names: string
  readonly entries: string
  readonly errors: string
}

/** The notes of results that are stored together, in the order of the results; undefined for one that has none. */
export function encodeNotes(
  notes: readonly (HistoryNote | undefined)[],
  now: number,
  process: { readonly hostname: string; readonly pid: number },
): EncodedNotes {
  const places: HistoryNote[] = []
  let [states, entries, errors] = ['', '', '']
  for (let index = 0; index < notes.length; index++) {
    const note = notes[index]
    if (index > 0) entries += ','
    if (note === undefined) {
      entries += '0'
      continue
    }
    const letter = LETTERS[note.state]
    if (!states.includes(letter)) states += letter
    const { id, attempt, run, queued, started, at, error, delayMs } = note
    const ended = note.state === 'STARTED' ? undefined : at
    const times = `${before(now, queued)},${before(now, started)},${before(now, ended)}`
    // Written piece by piece: this is done for every task.
    entries += `[${JSON.stringify(id)},${placeOf(note, places)},"${letter}",${attempt},${run},${times}]`
    if (error === undefined) continue
    const { errorClass, message } = error
    const said = [index, shortened(errorClass, MAX_CLASS), shortened(message, MAX_MESSAGE), ...optional(delayMs)]
    errors += `${errors === '' ? '[' : ','}${JSON.stringify(said)}`
  }
  const run = places.map(({ task = '', queue }) =>
    [task, queue?.name ?? '', queue === undefined ? '' : serviceOf(queue.name, queue.task)].map(cut),
  )
  return {
    states,
    names: JSON.stringify([FORMAT, now, process.pid, process.hostname, run]),
    entries: `[${entries}]`,
    errors: errors === '' ? '' : `${errors}]`,
  }
}

const cut = (name: string): string => shortened(name, MAX_NAME)
const optional = (value: number | undefined): number[] => (value === undefined ? [] : [Math.round(value)])
const before = (now: number, at: number | undefined): string =>
  at === undefined ? 'null' : String(now - Math.round(at))

/** Most results that are stored together are of one task. */
function placeOf(note: HistoryNote, places: HistoryNote[]): number {
  for (let index = 0; index < places.length; index++) {
    const place = places[index] as HistoryNote
    if (place.queue === note.queue && place.task === note.task) return index
  }
  return places.push(note) - 1
}

/** An item of the stream: its id, and its fields with their names. */
export type HistoryItem = readonly [id: string, fields: readonly string[]]

/** The entries of an item, the oldest first, without those that were not stored. What cannot be read has none. */
export function decodeItem([itemId, fields]: HistoryItem): HistoryEntry[] {
  try {
    const [names, entries, errors] = [fields[3], fields[5], fields[7]].map(
      (json) => JSON.parse(json || '[]') as unknown,
    )
    const [format, now, pid, hostname, run] = names as [number, number, number, string, [string, string, string][]]
    if (format !== FORMAT || !Number.isSafeInteger(now) || !Array.isArray(entries)) return []
    const at = new Date(Number(itemId.slice(0, itemId.indexOf('-'))))
    const missing = new Set((fields[9] ?? '').split(',').map(Number))
    const said = new Map((errors as [number, string, string, number?][]).map((error) => [error[0], error]))
    return entries.flatMap((entry: RawEntry | 0, index) => {
      if (entry === 0 || missing.has(index + 1)) return []
      const [id, place, letter, attempt, ofRun, queued, started, ended] = entry
      // The result of a cancelled task stays, and this is another word for the same end.
      if (missing.has(-index - 1) && letter !== LETTERS.REVOKED) return []
      const state = STATES.get(letter)
      if (state === undefined || typeof id !== 'string' || !Number.isSafeInteger(attempt)) return []
      const [task = '', queue = '', service = ''] = run[place] ?? []
      const [, errorClass, message, delayMs] = said.get(index) ?? []
      return {
        ...{ id, state, attempt, run: ofRun, at },
        ...(task === '' ? undefined : { task }),
        ...(queue === '' ? undefined : { queue }),
        ...(service === '' ? undefined : { service }),
        ...(attempt === 0 ? undefined : { hostname, pid }),
        ...instant('queuedAt', now, queued),
        ...instant('startedAt', now, started),
        ...instant('endedAt', now, ended),
        ...(errorClass === undefined ? undefined : { error: { errorClass, message: message ?? '' } }),
        ...(delayMs === undefined ? undefined : { delayMs }),
      }
    })
  } catch {
    // Whoever writes to the store may have written anything.
    return []
  }
}

type RawEntry = readonly [
  ...[id: string, place: number, state: string, attempt: number, run: number],
  ...[queued: number | null, started: number | null, ended: number | null],
]

const instant = <Name extends string>(name: Name, now: number, before: number | null): { [Key in Name]?: Date } =>
  (Number.isSafeInteger(before) ? { [name]: new Date(now - (before as number)) } : {}) as { [Key in Name]?: Date }
