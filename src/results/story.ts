/**
 * Makes a task's events out of what the store holds of it: the entries of its stream, in order, and its result. It knows
 * how far it has read, tells each event once, and counts those that are gone. Pure; `follower.ts` reads.
 *
 * What is only implied is told, too: that it was queued, and that an attempt began, which every entry and result says.
 */
import { createHash } from 'node:crypto'
import { MessageError, ResultUnreadableError } from '../errors/index.js'
import { decodeEntry, type EventEntry } from '../wire/eventEntry.js'
import { decodeResult, isCancelled, isFinal, isOurs, type StoredResult, statusOf } from '../wire/resultFormat.js'
import type { EventsReply } from './script.js'
import type { DoneEvent, TaskEvent } from './taskEvent.js'

/** How many events are known again. The store keeps no more entries than that. */
const KNOWN = 1_000

export interface Chapter {
  /** What is new, in order. */
  readonly events: readonly TaskEvent[]
  /** The stream is not the one that was read before, and is to be read from its beginning. */
  readonly again: boolean
  /** After the events: why there will be no more. */
  readonly failure?: unknown
}

export class Story {
  readonly #id: string
  #run = 0
  /** The number of the last entry that was read, within its run, and what it said. */
  #number = 0
  #last: string | undefined
  /** What was told: an entry may be there twice, when the store's answer to the first was lost. */
  readonly #told = new Recent()
  /** The attempts whose beginning was told, and the run that was told to be queued. */
  readonly #began = new Recent()
  #queuedRun: number | undefined
  #dropped = 0
  /** The latest attempt that is known. */
  #attempt = 1
  /** Whether anything of this run came from the stream. */
  #streamed = false

  constructor(id: string) {
    this.#id = id
  }

  /** From where to read: the run, and the number of the entry that was read last. */
  get position(): readonly [run: number, number: number] {
    return [this.#run, this.#number]
  }

  /** That it was sent, which a sender knows before the store does. */
  queued(run: number, at: number): TaskEvent[] {
    this.#begin(run)
    return this.#tellQueued(at)
  }

  read([latest, text, entries]: EventsReply): Chapter {
    if (text === '' && entries.length === 0 && this.#number === 0) return { events: [], again: false }
    this.#begin(Number(latest))
    if (!this.#follows(entries)) {
      this.#number = 0
      return { events: [], again: true }
    }
    const events = entries.flatMap(([id, json]) => this.#entry(Number(id.slice(id.indexOf('-') + 1)), json))
    if (text === '') return { events, again: false }
    try {
      return { events: [...events, ...this.#result(text)], again: false }
    } catch (failure) {
      return { events, again: false, failure }
    }
  }

  /** A state that was announced. Those of Warren's workers are in the stream. */
  heard(text: string): TaskEvent[] {
    return isOurs(text) || isFinal(statusOf(text) ?? 'PENDING') ? [] : this.#state(text)
  }

  /** Some were announced and not read. */
  missed(count: number): void {
    this.#dropped += count
  }

  #begin(run: number): void {
    if (run === this.#run) return
    this.#run = run
    this.#number = 0
    this.#attempt = 1
    this.#streamed = false
  }

  /** Whether the entries continue what was read: a store that lost its data begins anew. */
  #follows([first]: EventsReply[2]): boolean {
    if (this.#number === 0) return true
    if (first === undefined) return false
    return first[0] !== `${this.#run}-${this.#number}` || first[1] === this.#last
  }

  #entry(number: number, json: string): TaskEvent[] {
    if (number === this.#number) return []
    this.#dropped += Math.max(0, number - this.#number - 1)
    this.#number = number
    this.#last = json
    this.#streamed = true
    const entry = decodeEntry(json)
    return entry === undefined ? [] : this.#happened(entry)
  }

  #happened(entry: EventEntry): TaskEvent[] {
    const { type, at, attempt, queued, started, seq, lost = 0, hostname, pid } = entry
    this.#attempt = attempt
    const before = this.#tellQueued(queued)
    if (type === 'started') {
      const process = hostname === undefined || pid === undefined ? {} : { hostname, pid }
      return [...before, ...this.#tellStarted(attempt, at, process)]
    }
    before.push(...this.#tellStarted(attempt, started))
    if (!this.#told.isNew(`${type} ${attempt} ${at} ${seq}`)) return before
    this.#dropped += lost
    const common = this.#common(attempt, new Date(at))
    if (type === 'progress') {
      const { value, tooLong } = entry
      return [...before, { type, ...common, value, ...(tooLong === undefined ? {} : { tooLong }) }]
    }
    const { error = NO_ERROR, delayMs } = entry
    return [...before, { type, ...common, error, ...(delayMs === undefined ? {} : { delayMs }) }]
  }

  #result(text: string): TaskEvent[] {
    if (!isFinal(statusOf(text) ?? 'PENDING')) {
      // What is in the stream was told from there.
      return isOurs(text) && this.#streamed ? [] : this.#state(text)
    }
    const stored = this.#decoded(text)
    const { run = this.#run, attempt = this.#attempt, queuedAt, startedAt, doneAt = new Date() } = stored
    if (!isCancelled(text)) this.#begin(run)
    const before = [...this.#tellQueued(queuedAt?.getTime()), ...this.#tellStarted(attempt, startedAt?.getTime())]
    return [...before, doneEvent(stored, this.#common(attempt, doneAt))]
  }

  #decoded(text: string): StoredResult {
    try {
      const stored = decodeResult(text)
      if (stored.id === this.#id) return stored
      throw new MessageError(`Expected the result of ${this.#id}, got one of ${stored.id}`)
    } catch (error) {
      throw new ResultUnreadableError(this.#id, error)
    }
  }

  /** A state that is not final, of a Python worker, or where the store keeps no stream. It does not say when it came. */
  #state(text: string): TaskEvent[] {
    let stored: StoredResult
    try {
      stored = decodeResult(text)
    } catch {
      return []
    }
    if (stored.id !== this.#id || !this.#told.isNew(digestOf(text))) return []
    const { status, run = this.#run, attempt = this.#attempt, queuedAt, startedAt } = stored
    this.#begin(run)
    // When a run begins is its number.
    const before = this.#tellQueued(queuedAt?.getTime() ?? (run > 0 ? run : undefined))
    if (status === 'PENDING' || status === 'RECEIVED') return before
    if (status === 'STARTED') return [...before, ...this.#tellStarted(attempt, startedAt?.getTime() ?? Date.now())]
    before.push(...this.#tellStarted(attempt, startedAt?.getTime()))
    return [...before, stateEvent(stored, this.#common(attempt, new Date()))]
  }

  #tellQueued(at: number | undefined): TaskEvent[] {
    if (at === undefined || this.#queuedRun === this.#run) return []
    this.#queuedRun = this.#run
    return [{ type: 'queued', ...this.#common(1, new Date(at)) }]
  }

  #tellStarted(
    attempt: number,
    at: number | undefined,
    process: { hostname?: string; pid?: number } = {},
  ): TaskEvent[] {
    // The same attempt begins again when its worker died.
    if (at === undefined || !this.#began.isNew(`${this.#run} ${attempt} ${at}`)) return []
    return [{ type: 'started', ...this.#common(attempt, new Date(at)), ...process }]
  }

  /** Events that are gone are reported with the next one. */
  #common(attempt: number, at: Date) {
    const dropped = this.#dropped
    this.#dropped = 0
    return { id: this.#id, run: this.#run, attempt, at, ...(dropped > 0 ? { dropped } : undefined) }
  }
}

/** States may be long, and many are remembered. */
const digestOf = (text: string): string => createHash('sha1').update(text).digest('base64')

/** What was seen of late. */
class Recent {
  readonly #seen = new Set<string>()

  isNew(what: string): boolean {
    if (this.#seen.has(what)) return false
    this.#seen.add(what)
    if (this.#seen.size <= KNOWN) return true
    for (const oldest of this.#seen) {
      this.#seen.delete(oldest)
      break
    }
    return true
  }
}

type Common = Pick<TaskEvent, 'id' | 'run' | 'attempt' | 'at' | 'dropped'>
const NO_ERROR = { errorClass: 'Error', message: 'no error given', traceback: undefined }

/** The event of a final result. */
export function doneEvent({ status, result, error = NO_ERROR }: StoredResult, common: Common): DoneEvent {
  if (status === 'SUCCESS') return { type: 'done', status: 'SUCCESS', ...common, output: result }
  return { type: 'done', status: status === 'REVOKED' ? 'REVOKED' : 'FAILURE', ...common, error }
}

/** The event of a state that is not final: Celery's applications have states of their own, which are progress. */
export const stateEvent = ({ status, result, error = NO_ERROR }: StoredResult, common: Common): TaskEvent =>
  status === 'RETRY' ? { type: 'retry', ...common, error } : { type: 'progress', ...common, value: result }
