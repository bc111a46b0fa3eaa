/** What is asked of the store about limits: the scripts of `limitScripts.ts`, with their keys and answers. */
import { createHash } from 'node:crypto'
import type { Results } from '../results/store.js'
import type { OnLimit, Rate } from '../task/limit.js'
import { placesKey, rateKey } from '../wire/names.js'
import { ENTER, GIVE_BACK, HELD, LEASE, LEAVE, RENEW, RESERVE, START } from './limitScripts.js'

/** Whose limit it is: a task's, or one key's of it. */
export interface LimitOwner {
  readonly task: string
  /** Undefined: the task as a whole. */
  readonly key: string | undefined
}

export type Start =
  | { readonly kind: 'go' }
  | { readonly kind: 'drop' }
  /** It may start `at`, in milliseconds since 1970. */
  | { readonly kind: 'wait'; readonly at: number }

export interface Leased {
  /** In how many milliseconds each start may be, from when the store was asked. */
  readonly startsMs: readonly number[]
  readonly againMs: number
}

export type Entry =
  | { readonly kind: 'go'; readonly place: string }
  | { readonly kind: 'drop' }
  | { readonly kind: 'wait'; readonly ms: number }
  /** No place is free. `cancel`: its oldest holder is this task; `newer`: and was sent later. */
  | { readonly kind: 'cancel' | 'newer'; readonly id: string }

export interface Entrant {
  readonly id: string
  readonly sent: number
}

export interface Places {
  readonly count: number
  readonly leaseMs: number
}

/** A task that holds a place. */
export interface Holder {
  readonly id: string
  /** Its fencing number. */
  readonly fence: number
}

/** Longer keys are hashed: they may be anything of an input. */
const MAX_KEY_BYTES = 200

export class LimitKeys {
  readonly #results: Results
  readonly #vhost: string

  constructor(results: Results, vhost: string) {
    this.#results = results
    this.#vhost = vhost
  }

  // All of these throw what `Results.ask` throws.

  /** `slot`: the start that is reserved for it, at this rate. */
  async start(owner: LimitOwner, rate: Rate, { drop, slot }: { drop: boolean; slot: number | undefined }) {
    const given = [...line(rate), drop ? 1 : 0, slot ?? '']
    const answer = await this.#results.ask((store) => START(store, this.#rateKey(owner), ...given))
    return startOf(answer)
  }

  /** Reserves starts, at most `MAX_RESERVED`, for what is about to be sent: each in milliseconds since 1970. */
  async reserve(owner: LimitOwner, rate: Rate, count: number, timeoutMs: number): Promise<number[]> {
    const asking = this.#results.ask((store) => RESERVE(store, this.#rateKey(owner), ...line(rate), count), timeoutMs)
    const starts = texts(await asking).map(Number)
    if (starts.length !== count || !starts.every(Number.isFinite)) throw unexpected()
    return starts
  }

  /** So many starts that were reserved belong to nobody. */
  async giveBack(owner: LimitOwner, rate: Rate, count: number): Promise<void> {
    await this.#results.ask((store) => GIVE_BACK(store, this.#rateKey(owner), ...line(rate), count))
  }

  /** The line of reserved starts begins anew. What was really started still counts. */
  async forget(owner: LimitOwner, timeoutMs: number): Promise<void> {
    await this.#results.ask((store) => store.hdel(this.#rateKey(owner), 'tat', 'late'), timeoutMs)
  }

  /** `unused`: how many starts that were leased before belong to nobody. */
  async lease(owner: LimitOwner, rate: Rate, count: number, unused: number): Promise<Leased> {
    const given = [...line(rate), count, unused]
    const answer = await this.#results.ask((store) => LEASE(store, this.#rateKey(owner), ...given))
    const [againMs = Number.NaN, ...startsMs] = texts(answer).map(Number)
    if (![againMs, ...startsMs].every(Number.isFinite)) throw unexpected()
    return { againMs, startsMs }
  }

  async enter(owner: LimitOwner, places: Places, { id, sent }: Entrant, onLimit: OnLimit): Promise<Entry> {
    const { count, leaseMs } = places
    const answer = await this.#results.ask((store) =>
      ENTER(store, this.#placesKey(owner), count, leaseMs, id, Math.floor(sent), onLimit),
    )
    return entryOf(answer)
  }

  /** `heldMs`: how long ago it was renewed last. False when the place is lost. */
  async renew(owner: LimitOwner, place: string, { count, leaseMs }: Places, heldMs: number): Promise<boolean> {
    const given = [place, leaseMs, count, Math.floor(heldMs)]
    return (await this.#results.ask((store) => RENEW(store, this.#placesKey(owner), ...given))) === 1
  }

  /** `worked`: the handler was run, which says how long a place is held. */
  async leave(owner: LimitOwner, place: string, worked: boolean): Promise<void> {
    await this.#results.ask((store) => LEAVE(store, this.#placesKey(owner), place, worked ? 1 : 0))
  }

  async held(owner: LimitOwner): Promise<Holder[]> {
    const answer = await this.#results.ask((store) => HELD(store, this.#placesKey(owner)))
    return texts(answer).map((place) => ({ id: place.replace(/^\d+:\d+:/s, ''), fence: fenceOf(place) }))
  }

  #rateKey({ task, key }: LimitOwner): string {
    return rateKey(this.#vhost, task, key === undefined ? '' : keyName(key))
  }

  #placesKey({ task, key }: LimitOwner): string {
    return placesKey(this.#vhost, task, key === undefined ? '' : keyName(key))
  }
}

/** Each place has a number that is greater than those of all who held one before. */
export const fenceOf = (place: string): number => Number(/^\d+/.exec(place)?.[0])

/** How far apart starts are, in milliseconds. */
export const eachMs = ({ count, perMs }: Rate): number => perMs / count

function line(rate: Rate): [each: string, tolerance: string] {
  const each = eachMs(rate)
  return [each.toFixed(6), ((rate.burst - 1) * each).toFixed(6)]
}

/** A key of the store's, from any text. No text is the name of another one's hash. */
const keyName = (key: string): string =>
  Buffer.byteLength(key) <= MAX_KEY_BYTES ? `:${key}` : `#${createHash('sha256').update(key).digest('hex')}`

const texts = (answer: unknown): string[] => (Array.isArray(answer) ? answer.map(String) : [])
const unexpected = (): Error => new TypeError('expected what a limit allows, got something else from the store')

function startOf(answer: unknown): Start {
  const [kind, at] = texts(answer)
  if (kind === 'go' || kind === 'drop') return { kind }
  if (kind === 'wait' && Number.isFinite(Number(at))) return { kind, at: Number(at) }
  throw unexpected()
}

function entryOf(answer: unknown): Entry {
  const [kind, given = ''] = texts(answer)
  switch (kind) {
    case 'go':
      return { kind, place: given }
    case 'drop':
      return { kind }
    case 'wait':
      return { kind, ms: Number(given) }
    case 'cancel':
    case 'newer':
      return { kind, id: given }
    default:
      throw unexpected()
  }
}
