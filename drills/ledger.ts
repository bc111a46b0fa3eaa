/**
 * The drill's ledger: what became of every message, by id. It is written to by the load (sent, confirmed, refused), by
 * the workers' own ledgers (runs), by the dead-letter queues and by the result store, and it believes none of them for
 * another: a message is accounted for only when the store holds its SUCCESS or a dead-letter queue holds it.
 */

import { domainOf } from 'warren'
import type { LedgerLine } from '../demo/ledger.js'
import type { QueueKey } from './timeline.js'

interface Run {
  readonly worker: string
  readonly startedAt: number
  /** When its handler was done; undefined: it never was, its process ended first. */
  outcome: string | undefined
  /** When its result was in the store and its message acknowledged. */
  acknowledgedAt: number | undefined
}

interface Entry {
  readonly queue: QueueKey
  /** Whether a send of this drill ended with this id. Until then workers and dead-letter queues may know it already. */
  claimed: boolean
  confirmed: boolean
  /** The code of the error that the send ended with. */
  refused: string | undefined
  readonly runs: Run[]
  stored: boolean
  /** Why it was dead-lettered, in the broker's or in Warren's words. */
  deadLettered: string | undefined
}

export interface LedgerCounts {
  readonly sent: number
  readonly confirmed: number
  /** Sends that ended with an error, by its code: the caller knows. */
  readonly refused: Readonly<Record<string, number>>
  /** Sends that have not ended: none, once a drill is over. */
  readonly open: number
  /** Ids that a handler began to work on, and how often handlers began in all. */
  readonly run: number
  readonly runs: number
  /** Ids with a handler that came to its end. */
  readonly finished: number
  /** Ids whose message was acknowledged. */
  readonly settled: number
  /** Ids whose SUCCESS the result store holds. */
  readonly stored: number
  readonly deadLettered: number
  readonly deadLetterReasons: Readonly<Record<string, number>>
  /** Of those: accounts that expired, in the classic queue. */
  readonly expiredAccounts: number
  /** Confirmed, in no store, in no dead-letter queue, and its queue is empty. */
  readonly lost: number
  /** Confirmed and not accounted for while its queue still holds messages. */
  readonly unsettled: number
  /** Ids that a handler began more than once. */
  readonly duplicated: number
  /** Of those: every earlier run was cut off before its result was stored. */
  readonly cutOff: number
  /** Of those: one began although an earlier run's result was stored already. */
  readonly afterStored: number
  /** Ids that ran and were never sent. */
  readonly unexpected: number
}

const MAX_EXAMPLES = 5

export class Ledger {
  readonly #entries = new Map<string, Entry>()
  readonly #noted: (readonly [string, QueueKey])[] = []
  /** Ids of the drill before this one: what is left of it is not this one's. */
  readonly #earlier: ReadonlySet<string>
  readonly #refusedWithoutId = new Map<string, number>()
  #sent = 0
  #ended = 0

  constructor(earlier: ReadonlySet<string> = new Set()) {
    this.#earlier = earlier
  }

  /** A send begins. Its id is Warren's to choose, as it is by default, and is known when the send has ended. */
  sent(): void {
    this.#sent++
  }

  confirmed(id: string, queue: QueueKey): void {
    this.#ended++
    const entry = this.#entry(id, queue)
    entry.claimed = true
    entry.confirmed = true
  }

  /** `id` is undefined where the message was certainly put into no queue. */
  refused(id: string | undefined, queue: QueueKey, code: string): void {
    this.#ended++
    if (id === undefined) {
      this.#refusedWithoutId.set(code, (this.#refusedWithoutId.get(code) ?? 0) + 1)
      return
    }
    const entry = this.#entry(id, queue)
    entry.claimed = true
    entry.refused = code
  }

  /** One line of a worker's ledger. Returns the queue when a handler came to its end, for the timeline. */
  worker(line: LedgerLine): QueueKey | undefined {
    if (this.#earlier.has(line.id)) return undefined
    const entry = this.#entry(line.id, domainOf(line.task) === 'user' ? 'user' : 'payment')
    if (line.event === 'started') {
      entry.runs.push({ worker: line.worker, startedAt: line.at, outcome: undefined, acknowledgedAt: undefined })
      return undefined
    }
    const run = entry.runs.findLast(({ worker }) => worker === line.worker)
    if (run === undefined) return undefined
    if (line.event === 'settled') {
      if (line.settled === 'acknowledged') run.acknowledgedAt = line.at
      return undefined
    }
    run.outcome = line.outcome
    return line.outcome === 'succeeded' ? entry.queue : undefined
  }

  deadLettered(id: string, queue: QueueKey, reason: string): void {
    if (!this.#earlier.has(id)) this.#entry(id, queue).deadLettered = reason
  }

  stored(id: string): void {
    const entry = this.#entries.get(id)
    if (entry) entry.stored = true
  }

  /** Whether a send ended with the id, or a worker ran it, since the drill began. */
  knows(id: string): boolean {
    return this.#entries.has(id)
  }

  ids(): ReadonlySet<string> {
    return new Set(this.#entries.keys())
  }

  #entry(id: string, queue: QueueKey): Entry {
    let entry = this.#entries.get(id)
    if (entry === undefined) {
      entry = {
        ...{ queue, claimed: false, confirmed: false, refused: undefined },
        ...{ runs: [], stored: false, deadLettered: undefined },
      }
      this.#entries.set(id, entry)
    }
    return entry
  }

  /** Confirmed ids that are neither stored nor dead-lettered yet. */
  *unaccounted(): Generator<string> {
    for (const [id, entry] of this.#entries) {
      if (entry.confirmed && !entry.stored && entry.deadLettered === undefined) yield id
    }
  }

  /** How many sends have not ended. */
  get open(): number {
    return this.#sent - this.#ended
  }

  /** Whether a handler began for an id, and how often. */
  runsOf(id: string): number {
    return this.#entries.get(id)?.runs.filter(ran).length ?? 0
  }

  /** When a handler first began for an id, by its worker's clock. */
  firstRunOf(id: string): number | undefined {
    const runs = this.#entries.get(id)?.runs.filter(ran) ?? []
    return runs.length === 0 ? undefined : Math.min(...runs.map(({ startedAt }) => startedAt))
  }

  /** Remembers an id that the drill's own checks are about. */
  note(id: string, queue: QueueKey): void {
    this.#noted.push([id, queue])
  }

  noted(): readonly (readonly [id: string, queue: QueueKey])[] {
    return this.#noted
  }

  reasonOf(id: string): string | undefined {
    return this.#entries.get(id)?.deadLettered
  }

  /** `holding`: the queues that still hold messages, where an unaccounted one may be. */
  counts(holding: ReadonlySet<QueueKey> = new Set()): LedgerCounts {
    const counts = {
      ...{
        sent: this.#sent,
        confirmed: 0,
        open: this.open,
        run: 0,
        runs: 0,
        finished: 0,
        settled: 0,
        stored: 0,
        deadLettered: 0,
      },
      ...{ expiredAccounts: 0, lost: 0, unsettled: 0, duplicated: 0, cutOff: 0, afterStored: 0, unexpected: 0 },
    }
    const refused: Record<string, number> = Object.fromEntries(this.#refusedWithoutId)
    const deadLetterReasons: Record<string, number> = {}
    for (const entry of this.#entries.values()) {
      if (entry.confirmed) counts.confirmed++
      else if (entry.refused !== undefined) refused[entry.refused] = (refused[entry.refused] ?? 0) + 1
      if (!entry.claimed) {
        counts.unexpected++
        continue
      }
      const runs = entry.runs.filter(ran)
      counts.runs += runs.length
      if (runs.length > 0) counts.run++
      if (runs.some(({ outcome }) => outcome !== undefined)) counts.finished++
      if (entry.runs.some(({ acknowledgedAt }) => acknowledgedAt !== undefined)) counts.settled++
      if (entry.stored) counts.stored++
      if (entry.deadLettered !== undefined) {
        counts.deadLettered++
        deadLetterReasons[entry.deadLettered] = (deadLetterReasons[entry.deadLettered] ?? 0) + 1
        if (entry.deadLettered === 'expired' && entry.queue === 'user') counts.expiredAccounts++
      }
      if (entry.confirmed && !entry.stored && entry.deadLettered === undefined) {
        counts[holding.has(entry.queue) ? 'unsettled' : 'lost']++
      }
      if (runs.length > 1) counts[ranAfterStored(runs) ? 'afterStored' : 'cutOff']++
    }
    counts.duplicated = counts.cutOff + counts.afterStored
    return { ...counts, refused, deadLetterReasons }
  }

  /** A few ids that are not accounted for, for whoever has to look into it. */
  examples(): string[] {
    const examples: string[] = []
    for (const id of this.unaccounted()) {
      const { queue, runs } = this.#entries.get(id) as Entry
      const last = runs.at(-1)
      const fate =
        last === undefined
          ? 'no worker began it'
          : `${last.worker} began it last and ${last.outcome === undefined ? 'never finished' : `ended it as ${last.outcome}`}`
      examples.push(`${id} (${queue} queue): ${fate}`)
      if (examples.length === MAX_EXAMPLES) break
    }
    for (const [id, { claimed, queue }] of this.#entries) {
      if (examples.length >= MAX_EXAMPLES) break
      if (!claimed) examples.push(`${id} (${queue} queue): it was never sent`)
    }
    return examples
  }
}

/** Whether the handler was called: not when the message was found done, or beyond its limit. */
const ran = ({ outcome }: Run): boolean =>
  !['alreadyDone', 'deadLettered', 'postponed', 'replaced'].includes(outcome ?? '')

function ranAfterStored(runs: readonly Run[]): boolean {
  const storedAt = Math.min(
    ...runs.flatMap(({ outcome, acknowledgedAt }) =>
      outcome === 'succeeded' && acknowledgedAt !== undefined ? [acknowledgedAt] : [],
    ),
  )
  return runs.some(({ startedAt }) => startedAt > storedAt)
}
