/**
 * This process's list of cancellations and pauses, kept in memory because every attempt checks it. Pure; `watch.ts`
 * synchronises it with the store.
 */
import type { Envelope } from '../wire/envelope.js'
import { cancelledField } from '../wire/names.js'
import type { Change, Cut, Pause, SetLimit } from './changes.js'

/** The reason why a message must not run. */
export interface Found {
  readonly field: string
  /** As in the message of a `CancelledError`. */
  readonly by: string
  /**
   * False if the store must be checked: the id may have been sent again since, by a caller whose clock is behind.
   */
  readonly certain: boolean
}

type Cancellable = Pick<Envelope, 'id' | 'task' | 'tags' | 'run' | 'sent'>

export class Board {
  #cuts = new Map<string, Cut>()
  #paused = new Map<string, Pause>()
  #limits = new Map<string, SetLimit>()
  #limitChanges = 0
  /** How many of the cuts are not for a single id. */
  #scopes = 0

  /** What cancelled a message; undefined if it is not cancelled. */
  find(message: Cancellable): Found | undefined {
    if (this.#cuts.size === 0) return undefined
    const { id, task, tags, sent } = message
    const own = cancelledField('id', id)
    const cut = this.#cuts.get(own)
    if (cut !== undefined && !sentAnew(message, cut)) {
      return { field: own, by: 'by its id', certain: message.run === 0 }
    }
    if (this.#scopes === 0 || sent === undefined) return undefined
    const name = cancelledField('task', task)
    if (sent <= this.#atOf(name)) return { field: name, by: `with all of ${task}`, certain: true }
    for (const tag of tags) {
      const field = cancelledField('tag', tag)
      if (sent <= this.#atOf(field)) return { field, by: `with all of the tag ${tag}`, certain: true }
    }
    return undefined
  }

  pauseOf(queue: string): Pause | undefined {
    return this.#paused.get(queue)
  }

  /** The limits that were set at run time, by `limitField`. */
  get limits(): ReadonlyMap<string, SetLimit> {
    return this.#limits
  }

  /** Counts possible changes. */
  get limitChanges(): number {
    return this.#limitChanges
  }

  /** Replaces everything known before. */
  replace(
    cuts: ReadonlyMap<string, Cut>,
    paused: ReadonlyMap<string, Pause>,
    limits: ReadonlyMap<string, SetLimit>,
  ): void {
    this.#cuts = new Map()
    this.#scopes = 0
    for (const [field, cut] of cuts) this.#cancel(field, cut)
    this.#paused = new Map(paused)
    if (limits.size > 0 || this.#limits.size > 0) this.#limitChanges++
    this.#limits = new Map(limits)
  }

  apply(change: Change): void {
    switch (change.kind) {
      case 'cancelled':
        this.#cancel(change.field, change.cut)
        return
      case 'uncancelled':
        this.#forget(change.field)
        return
      case 'paused':
        this.#paused.set(change.queue, change.pause)
        return
      case 'resumed':
        this.#paused.delete(change.queue)
        return
      case 'limited':
        this.#limits.set(change.field, change.limit)
        this.#limitChanges++
        return
      case 'unlimited':
        this.#limits.delete(change.field)
        this.#limitChanges++
        return
      default:
        change satisfies never
    }
  }

  /** Up to `count` cancelled ids. */
  ids(count: number): string[] {
    const ids: string[] = []
    for (const field of this.#cuts.keys()) {
      if (ids.length === count) break
      if (isOfId(field)) ids.push(field.slice(ID_PREFIX.length))
    }
    return ids
  }

  /** Removes and returns entries that the store no longer needs to keep. */
  prune(now: number): string[] {
    const past = [...this.#cuts].flatMap(([field, { until }]) => (until < now ? [field] : []))
    for (const field of past) this.#forget(field)
    return past
  }

  #atOf(field: string): number {
    return this.#cuts.get(field)?.at ?? Number.NEGATIVE_INFINITY
  }

  #cancel(field: string, cut: Cut): void {
    if (!this.#cuts.has(field) && !isOfId(field)) this.#scopes++
    this.#cuts.set(field, cut)
  }

  #forget(field: string): void {
    if (this.#cuts.delete(field) && !isOfId(field)) this.#scopes--
  }
}

const ID_PREFIX = cancelledField('id', '')
const isOfId = (field: string): boolean => field.startsWith(ID_PREFIX)

/**
 * A message under a caller-chosen id that was sent after the cancellation. Other messages were sent once, and therefore before
 * it.
 */
const sentAnew = ({ run, sent }: Cancellable, { at }: Cut): boolean => run > 0 && sent !== undefined && sent > at
