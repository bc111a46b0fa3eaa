/** What is known of every task of a storm, by id: what its sender was told, what workers wrote, what the store held. */
import type { LedgerLine } from '../../demo/ledger.js'
import type { QueueKey } from '../timeline.js'

/** What was asked of it; see `work.ts`. */
export type WorkKind = 'plain' | 'delayed' | 'cancelled' | 'retried' | 'redriven' | 'killer' | 'unique' | 'tick'

export interface StormRun {
  readonly worker: string
  readonly startedAt: number
  outcome: string | undefined
  /** When its message was acknowledged: its result was stored before that. */
  acknowledgedAt: number | undefined
}

export interface StormEntry {
  readonly kind: WorkKind
  readonly queue: QueueKey
  /** Undefined: the sender was told that it failed, so that it may have run or not. */
  readonly confirmed: boolean
  /** The instant before which it is not to be run. */
  readonly due: number | undefined
  /** What the caller of `cancel` was told. */
  told?: 'cancelled' | 'finished' | undefined
  /** How the handle's `result()` ended: `SUCCESS`, or the error's code. Undefined: not yet. */
  handleEnd: string | undefined
  readonly runs: StormRun[]
  /** The first SUCCESS that was seen in the store, with all its text, and when. */
  firstSuccess: { readonly text: string; readonly at: number } | undefined
  /** The last that was seen: its status and its text. */
  status: string | undefined
  text: string | undefined
  deadLettered: string | undefined
}

export class Book {
  readonly entries = new Map<string, StormEntry>()
  /** Of ids that no send has ended with yet. */
  readonly #early = new Map<string, StormRun[]>()
  readonly #earlyLetters = new Map<string, string>()
  /** Sends that have begun, and those that ended. */
  begun = 0
  ended = 0

  add(
    id: string,
    { kind, queue, confirmed, due }: Pick<StormEntry, 'kind' | 'queue' | 'confirmed' | 'due'>,
  ): StormEntry {
    const known = this.entries.get(id)
    if (known !== undefined) return known
    const entry: StormEntry = {
      ...{
        kind,
        queue,
        confirmed,
        due,
        handleEnd: undefined,
        runs: this.#early.get(id) ?? [],
        firstSuccess: undefined,
      },
      ...{ status: undefined, text: undefined, deadLettered: this.#earlyLetters.get(id) },
    }
    this.#early.delete(id)
    this.#earlyLetters.delete(id)
    this.entries.set(id, entry)
    return entry
  }

  worker(line: LedgerLine): void {
    let runs = this.entries.get(line.id)?.runs ?? this.#early.get(line.id)
    if (runs === undefined) {
      runs = []
      this.#early.set(line.id, runs)
    }
    if (line.event === 'started') {
      runs.push({ worker: line.worker, startedAt: line.at, outcome: undefined, acknowledgedAt: undefined })
      return
    }
    const run = runs.findLast(({ worker }) => worker === line.worker)
    if (run === undefined) return
    if (line.event === 'finished') run.outcome = line.outcome
    else {
      run.outcome = line.outcome
      if (line.settled === 'acknowledged') run.acknowledgedAt = line.at
    }
  }

  deadLettered(id: string, reason: string): void {
    const entry = this.entries.get(id)
    if (entry === undefined) this.#earlyLetters.set(id, reason)
    else entry.deadLettered = reason
  }

  /** What the store holds of a task at this moment. */
  stored(id: string, text: string | null, at: number): void {
    const entry = this.entries.get(id)
    if (entry === undefined) return
    entry.text = text ?? undefined
    entry.status = text === null ? undefined : (/^\{"status": ?"([^"]*)"/.exec(text)?.[1] ?? 'unreadable')
    if (entry.status === 'SUCCESS' && text !== null) entry.firstSuccess ??= { text, at }
  }

  /** Ids that workers ran, and no send ended with. */
  unexpected(): string[] {
    return [...this.#early].filter(([, runs]) => runs.length > 0).map(([id]) => id)
  }

  /** Those that have no end in the store or in the dead letters yet. */
  *unsettled(): Generator<string> {
    for (const [id, entry] of this.entries) if (entry.confirmed && !isSettled(entry)) yield id
  }
}

/** Whether it ended for good, as far as store and dead letters say. */
export const isSettled = ({ status, deadLettered }: StormEntry): boolean =>
  status === 'SUCCESS' || status === 'REVOKED' || deadLettered !== undefined
