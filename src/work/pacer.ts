/**
 * Lets the messages of one task start at its rate, where the rate is one for all of the task: they stay in the queue and in
 * the workers' hands, and each worker leases starts of the next few milliseconds. So a worker that stands still loses
 * next to nothing of the rate, and a message that waits takes no place among the handlers.
 *
 *     waiting ─ a start is leased ─▶ called ─▶ comes in on time: runs
 *        ▲                            │
 *        └──── too late, or no start ─┘
 *
 * Where no place is free, starts would be wasted: then the first one is called without one, and asks once it has a place.
 */
import type { Leased } from '../control/limitKeys.js'
import { SLOT_GRACE_MS } from '../control/limitScripts.js'
import { pause } from '../timers.js'
import type { Delivery } from './delivery.js'

export interface PacerOptions {
  /** Asks the store. `unused`: how many that were leased before are not used. */
  readonly lease: (count: number, unused: number) => Promise<Leased>
  /** How many places are free. */
  readonly free: () => number
}

interface Waiting {
  readonly delivery: Delivery
  readonly call: () => void
}

/** When the store is asked again that did not answer. */
const AWAY_MS = 500

export class Pacer {
  readonly #options: PacerOptions
  /** Oldest first. */
  #waiting: Waiting[] = []
  /** Called, and not come in yet: each with the instant of its start, or none. */
  readonly #called = new Map<Delivery, number | undefined>()
  readonly #calledBefore = new WeakSet<Delivery>()
  /** Starts that are leased and not due. */
  readonly #starts = new Set<NodeJS.Timeout>()
  #timer: NodeJS.Timeout | undefined
  #asking = false
  /** Starts that were missed, which the next lease says. */
  #unused = 0
  #closed = false

  constructor(options: PacerOptions) {
    this.#options = options
  }

  /** Whether it may start: true; or false once it is known that it has to wait for its {@link turn}. */
  enter(delivery: Delivery): boolean | Promise<boolean> {
    const called = this.#called.has(delivery)
    const startsAt = this.#called.get(delivery)
    this.#called.delete(delivery)
    if (startsAt !== undefined) {
      if (performance.now() <= startsAt + SLOT_GRACE_MS) return true
      this.#unused++
    }
    // Others came first, and nobody has called it.
    if (!called && (this.#busy || this.#waiting.length > 0)) return false
    return this.#ask()
  }

  /** Resolves when it is to come in. One that was called in vain is the first again. */
  turn(delivery: Delivery): Promise<void> {
    return new Promise((call) => {
      const waiting = { delivery, call }
      if (this.#calledBefore.has(delivery)) this.#waiting.unshift(waiting)
      else this.#waiting.push(waiting)
      this.look()
    })
  }

  /** To be called whenever a place may be free. */
  look(): void {
    if (this.#waiting.length === 0 || this.#busy || this.#closed) return
    this.#waiting = this.#waiting.filter(({ delivery }) => delivery.held)
    for (const [delivery, startsAt] of this.#called) {
      if (delivery.held) continue
      this.#called.delete(delivery)
      if (startsAt !== undefined) this.#unused++
    }
    const wanted = Math.min(this.#waiting.length, this.#options.free() - this.#called.size - this.#starts.size)
    if (wanted > 0) void this.#lease(wanted)
    else if (this.#called.size === 0 && this.#starts.size === 0) this.#call(undefined)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    for (const start of this.#starts) clearTimeout(start)
    for (const { call } of this.#waiting.splice(0)) call()
  }

  /** The store is being asked, or there is no start for now. */
  get #busy(): boolean {
    return this.#asking || this.#timer !== undefined
  }

  /** Asks for one that has a place, which it keeps for the few milliseconds until its start. */
  async #ask(): Promise<boolean> {
    this.#asking = true
    const askedAt = performance.now()
    const leased = await this.#leased(1).finally(() => {
      this.#asking = false
    })
    const [inMs] = leased.startsMs
    const late = inMs !== undefined && performance.now() > askedAt + inMs + SLOT_GRACE_MS
    if (late) this.#unused++
    if (inMs === undefined || leased.againMs > 1) this.#again(leased.againMs)
    else this.look()
    if (inMs === undefined || late) return false
    if (inMs >= 1) await pause(inMs)
    return true
  }

  #leased(wanted: number): Promise<Leased> {
    const unused = this.#unused
    // Not said again where no answer comes: a start that nobody uses is better than one that two do.
    this.#unused = 0
    return this.#options.lease(wanted, unused)
  }

  async #lease(wanted: number): Promise<void> {
    this.#asking = true
    const askedAt = performance.now()
    try {
      const { startsMs, againMs } = await this.#leased(wanted)
      const answeredAt = performance.now()
      // This process stood still: what it leased is over.
      if (answeredAt - askedAt > SLOT_GRACE_MS) {
        this.#unused += startsMs.length
        return this.#again(againMs)
      }
      for (const inMs of startsMs) this.#callIn(inMs, answeredAt + inMs)
      if (startsMs.length < wanted) this.#again(againMs)
    } catch {
      this.#again(AWAY_MS)
    } finally {
      this.#asking = false
      this.look()
    }
  }

  #callIn(inMs: number, startsAt: number): void {
    const start = setTimeout(() => {
      this.#starts.delete(start)
      if (performance.now() <= startsAt + SLOT_GRACE_MS) return this.#call(startsAt)
      this.#unused++
      this.look()
    }, inMs)
    this.#starts.add(start)
  }

  #again(ms: number): void {
    if (this.#closed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.look()
    }, ms)
  }

  #call(startsAt: number | undefined): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (!next.delivery.held) continue
      this.#called.set(next.delivery, startsAt)
      this.#calledBefore.add(next.delivery)
      next.call()
      return
    }
    if (startsAt !== undefined) this.#unused++
  }
}
