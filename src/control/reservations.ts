/**
 * Starts that are reserved when tasks are sent, of those with a rate for each key: what is over its key's rate goes straight
 * into the delay levels, so that a flood of one key never stands in the queue before the messages of others. Workers have
 * the last word: a message without a start, or with one that is lost, is only run later than it could be.
 */
import type { Results } from '../results/store.js'
import type { Rate } from '../task/limit.js'
import type { Task } from '../task/task.js'
import { limitsKey } from '../wire/names.js'
import type { Slot } from '../wire/slot.js'
import { type SetLimit, setLimitOf } from './changes.js'
import { eachMs, LimitKeys, type LimitOwner } from './limitKeys.js'
import { MAX_RESERVED } from './limitScripts.js'
import { effective, limitField } from './limits.js'

/** A start that belongs to one message. */
export interface Reservation extends Slot {
  readonly owner: LimitOwner
  readonly rate: Rate
}

/** How long a send waits for the store. */
const RESERVE_MS = 1_000
/** For how long it is believed which limits are set live. */
const BELIEVED_MS = 1_000

/** What is asked for one key in one turn of the event loop. */
interface Asking {
  readonly owner: LimitOwner
  readonly rate: Rate
  readonly waiting: ((reservation: Reservation | undefined) => void)[]
}

export class Reservations {
  readonly #results: Results
  readonly #vhost: string
  readonly #keys: LimitKeys
  readonly #asking = new Map<string, Asking>()
  /** The limits that are set live, and when they were read. */
  #set: ReadonlyMap<string, SetLimit> = new Map()
  #readAt = Number.NEGATIVE_INFINITY
  #reading: Promise<void> | undefined

  /** Does no I/O. */
  constructor(results: Results, vhost: string) {
    this.#results = results
    this.#vhost = vhost
    this.#keys = new LimitKeys(results, vhost)
  }

  /** Undefined where the worker is to see to it: no such limit, or no answer from the store. Never rejects. */
  async reserve(task: Task, input: unknown): Promise<Reservation | undefined> {
    const { limit, name } = task
    if (limit?.key === undefined || limit.onLimit !== 'wait' || !this.#results.available) return undefined
    const key = keyOf(limit.key, input)
    if (key === undefined) return undefined
    await this.#look()
    const { rate } = effective(limit, this.#set.get(limitField(name, key)), this.#set.get(name))
    return rate === undefined ? undefined : this.#ask({ task: name, key }, rate)
  }

  /** The message was not sent. */
  giveBack({ owner, rate }: Reservation): void {
    void this.#keys.giveBack(owner, rate, 1).catch(() => undefined)
  }

  /** One question for all that is sent in one turn: of a flood, most. */
  #ask(owner: LimitOwner, rate: Rate): Promise<Reservation | undefined> {
    return new Promise((resolve) => {
      const name = limitField(owner.task, owner.key)
      const known = this.#asking.get(name)
      if (known !== undefined && known.waiting.length < MAX_RESERVED) {
        known.waiting.push(resolve)
        return
      }
      const asking: Asking = { owner, rate, waiting: [resolve] }
      this.#asking.set(name, asking)
      setImmediate(() => {
        if (this.#asking.get(name) === asking) this.#asking.delete(name)
        void this.#reserveAll(asking)
      })
    })
  }

  async #reserveAll({ owner, rate, waiting }: Asking): Promise<void> {
    const each = eachMs(rate)
    const starts = await this.#keys.reserve(owner, rate, waiting.length, RESERVE_MS).catch(() => [])
    waiting.forEach((resolve, index) => {
      const at = starts[index]
      resolve(at === undefined ? undefined : { owner, rate, at, each })
    })
  }

  /** Only the first is waited for. */
  #look(): Promise<void> | undefined {
    const known = this.#readAt > 0
    if (performance.now() - this.#readAt > BELIEVED_MS) {
      this.#reading ??= this.#read().finally(() => {
        this.#reading = undefined
      })
    }
    return known ? undefined : this.#reading
  }

  async #read(): Promise<void> {
    try {
      const kept = await this.#results.ask((store) => store.hgetall(limitsKey(this.#vhost)), RESERVE_MS)
      const limits = Object.entries(kept).map(([field, text]) => [field, setLimitOf(text)] as const)
      this.#set = new Map(limits.filter((limit): limit is [string, SetLimit] => limit[1] !== undefined))
    } catch {
      // What was known stays, and the workers know better.
    }
    this.#readAt = performance.now()
  }
}

/** Undefined also for what is no key: the worker fails that attempt, and says why. */
function keyOf(of: (input: never) => unknown, input: unknown): string | undefined {
  try {
    const key = of(input as never)
    return typeof key === 'string' ? key : undefined
  } catch {
    return undefined
  }
}
