/**
 * When a schedule ticks: by a cron expression, or at multiples of an interval. Every process computes the same ticks, so that
 * ids can be derived from them; a tick is due at its time, or up to its jitter later. Pure.
 */
import { createHash } from 'node:crypto'
import { Cron } from './cron.js'

export interface When {
  /** Determines the jitter, together with the tick. */
  readonly id: string
  readonly cron?: string | undefined
  readonly everyMs?: number | undefined
  readonly timeZone: string
  /** No ticks before this time; also the origin of an interval's multiples. */
  readonly startAt?: number | undefined
  readonly jitterMs: number
}

/** How many times a search for the newest tick looks further back, four times as far each: some hundred years. */
const SEARCHES = 16
const SEARCH_MS = 60_000

export class Rhythm {
  readonly #when: When
  readonly #cron: Cron | undefined

  /** Throws an error whose message is the expected cron expression. */
  constructor(when: When) {
    this.#when = when
    this.#cron = when.cron === undefined ? undefined : new Cron(when.cron, when.timeZone)
  }

  /** The first tick after a time, or undefined if there is none. */
  next(after: number): number | undefined {
    const { everyMs, startAt = 0 } = this.#when
    const from = Math.max(after, (this.#when.startAt ?? Number.NEGATIVE_INFINITY) - 1)
    if (this.#cron !== undefined) return this.#cron.next(from)
    const every = everyMs as number
    return startAt + (Math.floor((from - startAt) / every) + 1) * every
  }

  /** The newest tick from `from` on that is due at `now`; `from` is a due tick. */
  newest(from: number, now: number): number {
    let newest = this.#last(from, now)
    while (newest > from && this.dueAt(newest) > now) newest = this.#last(from, newest - 1)
    return newest
  }

  /** When a tick is due; the same in every process. */
  dueAt(tick: number): number {
    const { id, jitterMs } = this.#when
    if (jitterMs === 0) return tick
    const share = createHash('sha256').update(`${tick} ${id}`).digest().readUInt32BE() / 2 ** 32
    return tick + Math.floor(share * jitterMs)
  }

  /** The last tick from `from`, a tick, up to `at`. */
  #last(from: number, at: number): number {
    const { everyMs, startAt = 0 } = this.#when
    if (everyMs !== undefined) {
      return Math.max(from, startAt + Math.floor((at - startAt) / everyMs) * everyMs)
    }
    for (let search = 0, span = SEARCH_MS; search < SEARCHES; search++, span *= 4) {
      const start = Math.max(from, at - span)
      let last = start === from ? from : undefined
      for (let tick = this.next(start); tick !== undefined && tick <= at; tick = this.next(tick)) last = tick
      if (last !== undefined) return last
    }
    return from
  }
}
