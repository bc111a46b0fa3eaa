/**
 * The limits of one task: its messages start at its rate, and hold a place of its concurrency while they run. There is one
 * of these only for a task that has a limit.
 *
 * A message that has to wait does not wait here: it stays with the worker, without a place among the handlers, for as long
 * as a second and a half; for longer it goes into the delay levels, with the start that is reserved for it. While the
 * store is away it waits: what a limit protects must not be run over because the limit is not known.
 */
import type { Entry, LimitKeys, LimitOwner } from '../control/limitKeys.js'
import { eachMs } from '../control/limitKeys.js'
import { effective, limitField } from '../control/limits.js'
import type { ControlWatch } from '../control/watch.js'
import { PlaceLostError } from '../errors/index.js'
import type { Results } from '../results/store.js'
import type { LimitValues, OnLimit, Rate } from '../task/limit.js'
import { DEFAULT_LEASE_MS } from '../task/limit.js'
import type { Outcome } from '../task/outcome.js'
import type { Task } from '../task/task.js'
import type { Clock } from '../time/clock.js'
import { HOLD_MS } from '../time/delayRoutes.js'
import { startTimer } from '../timers.js'
import type { Envelope } from '../wire/envelope.js'
import { headers } from '../wire/names.js'
import { isSuspect, noteDeliveries } from '../wire/redelivery.js'
import { reservedStart, type Slot, slotText } from '../wire/slot.js'
import type { Delivery } from './delivery.js'
import type { Gate, GatedAttempt, Passing } from './gate.js'
import { limitKeyOf } from './limitKeyOf.js'
import { Pacer } from './pacer.js'
import { type HeldPlace, Places } from './places.js'

/** What a limit did to an attempt. */
export interface Limited {
  readonly by: 'rate' | 'concurrency' | 'store'
  /** `held`: it stays with the worker. `delayed`: it waits in the broker. */
  readonly action: 'held' | 'delayed' | 'dropped' | 'cancelledRunning'
  readonly key: string | undefined
  readonly waitMs: number | undefined
}

export interface LimitGateOptions {
  readonly keys: LimitKeys
  readonly control: ControlWatch
  readonly results: Results
  readonly clock: Clock
  /** Cancels a task that runs. */
  readonly cancel: (id: string) => Promise<unknown>
  /** How many places the worker has free. */
  readonly free: () => number
  readonly onLimited: (attempt: GatedAttempt, limited: Limited) => void
  /** Where time is not this machine's. */
  readonly startTimer?: typeof startTimer | undefined
}

/** Starts that are no further apart are paced by the workers, where the rate is that of the whole task. */
const PACED_EACH_MS = 1_000
/** How long a message is held again and again before it goes into the delay levels: RabbitMQ waits 30 minutes at most. */
const MAX_HELD_MS = 30_000
const MAX_HELD_AWAY_MS = 10 * 60 * 1000
/** How long it waits for a store that is away, and for a task that was cancelled for it. */
const AWAY_MS = 1_000
const CANCELLING_MS = 100

/** One that has to wait, of a task's limits. */
interface Entrant {
  readonly attempt: GatedAttempt
  readonly envelope: Envelope
  readonly owner: LimitOwner
  readonly values: LimitValues
  readonly onLimit: OnLimit
}

export class LimitGate implements Gate {
  readonly #task: Task
  readonly #options: LimitGateOptions
  readonly #places: Places
  readonly #held = new Map<GatedAttempt, HeldPlace>()
  /** Starts that are reserved for what is held here. */
  readonly #slots = new WeakMap<Delivery, Slot>()
  readonly #pacer: Pacer
  /** The rate for which the pacer asks. */
  #paced: Rate | undefined

  constructor(task: Task, options: LimitGateOptions) {
    this.#task = task
    this.#options = options
    this.#places = new Places(options.keys, options.startTimer)
    this.#pacer = new Pacer({
      lease: (...counts) => options.keys.lease({ task: task.name, key: undefined }, this.#paced as Rate, ...counts),
      free: options.free,
    })
  }

  enter(attempt: GatedAttempt, envelope: Envelope): Promise<Passing> {
    return this.#enter(attempt, envelope)
  }

  leave(attempt: GatedAttempt): void {
    this.#held.get(attempt)?.leave(attempt)
    this.#held.delete(attempt)
  }

  /** A place among the handlers may be free. */
  look(): void {
    this.#pacer.look()
  }

  close(): void {
    this.#pacer.close()
    this.#places.close()
  }

  async #enter(attempt: GatedAttempt, envelope: Envelope): Promise<Passing> {
    const { delivery } = attempt
    const found = await limitKeyOf(this.#task, envelope)
    if (found === undefined) return undefined
    const owner = { task: this.#task.name, key: found.key }
    const values = this.#valuesOf(owner)
    // An attempt that is not the first has begun what dropping it would leave undone.
    const dropped = attempt.number === 1 && !delivery.redelivered
    const declared = this.#task.limit?.onLimit ?? 'wait'
    const onLimit = declared === 'drop' && !dropped ? 'wait' : declared
    for (;;) {
      const passing = await this.#try({ attempt, envelope, owner, values, onLimit })
      // Nothing runs beside one that may kill its worker, so it waits where it is.
      if (passing?.kind !== 'held' || !isSuspect(delivery.message, delivery.queue.type)) return passing
      await passing.until
      if (!delivery.held) return { kind: 'returned' }
    }
  }

  #valuesOf({ task, key }: LimitOwner): LimitValues {
    const { limits } = this.#options.control.board
    const { limit } = this.#task
    if (limits.size === 0) return limit ?? { rate: undefined, concurrency: undefined }
    const own = key === undefined ? undefined : limits.get(limitField(task, key))
    return effective(limit, own, limits.get(task))
  }

  async #try(entrant: Entrant): Promise<Passing> {
    const { rate, concurrency } = entrant.values
    if (rate === undefined && concurrency === undefined) return undefined
    if (!this.#options.results.available) return this.#away(entrant)
    let place: string | undefined
    const takenAt = performance.now()
    try {
      const paced = rate !== undefined && this.#isPaced(rate, entrant)
      if (paced && !(await this.#pace(rate, entrant))) return this.#waitForTurn(entrant)
      if (concurrency !== undefined) {
        const entry = await this.#takePlace(entrant, concurrency)
        if (entry.kind !== 'go') return this.#full(entrant, entry)
        place = entry.place
      }
      const waits = rate === undefined || paced ? undefined : await this.#start(entrant, rate)
      // A process that stood still meanwhile must not begin with a place that is another's by now.
      const over = place !== undefined && performance.now() - takenAt > this.#leaseMs / 2
      if (waits === undefined && entrant.attempt.delivery.held && !over) {
        if (place !== undefined) this.#hold(entrant, place, concurrency as number, takenAt)
        return undefined
      }
      this.#free(entrant, place)
      if (waits !== undefined || !entrant.attempt.delivery.held) return waits ?? { kind: 'returned' }
      return this.#holdFor(entrant, 'concurrency', 0)
    } catch {
      this.#free(entrant, place)
      return this.#away(entrant)
    }
  }

  #isPaced(rate: Rate, { owner, onLimit }: Entrant): boolean {
    // The pacer goes by this machine's clock.
    const paced = owner.key === undefined && this.#options.startTimer === undefined
    return paced && onLimit !== 'drop' && eachMs(rate) <= PACED_EACH_MS
  }

  #pace(rate: Rate, { attempt }: Entrant): boolean | Promise<boolean> {
    this.#paced = rate
    return this.#pacer.enter(attempt.delivery)
  }

  #waitForTurn(entrant: Entrant): Passing {
    this.#tell(entrant, { by: 'rate', action: 'held', waitMs: undefined })
    return { kind: 'held', until: this.#pacer.turn(entrant.attempt.delivery) }
  }

  async #start(entrant: Entrant, rate: Rate): Promise<Passing> {
    const { attempt, owner, onLimit } = entrant
    const { delivery } = attempt
    const { clock, keys } = this.#options
    const each = eachMs(rate)
    const slot = this.#slotOf(delivery)
    this.#slots.delete(delivery)
    // One that was reserved for another rate counts for nothing.
    const own = slot?.each === each ? slot.at : undefined
    const start = await keys.start(owner, rate, { drop: onLimit === 'drop', slot: own })
    if (start.kind === 'go') return undefined
    if (start.kind === 'drop') {
      return this.#drop(entrant, 'rate', `over its limit of ${rate.count} in ${rate.perMs} ms`)
    }
    const reserved = { at: start.at, each }
    const waitMs = Math.max(0, start.at - clock.now())
    if (waitMs <= HOLD_MS) {
      this.#slots.set(delivery, reserved)
      return this.#holdFor(entrant, 'rate', waitMs)
    }
    this.#slots.set(delivery, reserved)
    return this.#delay(entrant, 'rate', start.at)
  }

  #slotOf(delivery: Delivery): Slot | undefined {
    return this.#slots.get(delivery) ?? reservedStart(delivery.message)
  }

  #takePlace({ envelope, owner, onLimit }: Entrant, count: number): Promise<Entry> {
    const { id, sent = 0 } = envelope
    return this.#options.keys.enter(owner, { count, leaseMs: this.#leaseMs }, { id, sent }, onLimit)
  }

  async #full(entrant: Entrant, entry: Exclude<Entry, { kind: 'go' }>): Promise<Passing> {
    const { clock, cancel } = this.#options
    const { envelope, values, attempt } = entrant
    switch (entry.kind) {
      case 'drop':
        return this.#drop(entrant, 'concurrency', `over its limit of ${values.concurrency} at a time`)
      case 'newer':
        return this.#drop(entrant, 'concurrency', `${entry.id} was sent later, and runs`)
      case 'cancel':
        // Its own earlier attempt, whose worker has died: the place is free when its lease ends.
        if (entry.id === envelope.id) return this.#holdFor(entrant, 'concurrency', AWAY_MS)
        this.#tell(entrant, { by: 'concurrency', action: 'cancelledRunning', waitMs: undefined })
        await cancel(entry.id)
        return this.#holdFor(entrant, 'concurrency', CANCELLING_MS)
      case 'wait':
        if (entry.ms <= HOLD_MS && attempt.delivery.heldMs < MAX_HELD_MS) {
          return this.#holdFor(entrant, 'concurrency', entry.ms)
        }
        return this.#delay(entrant, 'concurrency', clock.now() + Math.max(entry.ms, 2 * HOLD_MS))
      default:
        entry satisfies never
        return undefined
    }
  }

  #hold({ attempt, owner }: Entrant, place: string, count: number, takenAt: number): void {
    const leaseMs = this.#leaseMs
    const onLost = (): void => attempt.abort(new PlaceLostError(attempt.id, owner.task, leaseMs))
    const held = this.#places.hold(owner, place, { count, leaseMs }, takenAt, onLost)
    attempt.fence = held.fence
    this.#held.set(attempt, held)
  }

  #free({ owner }: Entrant, place: string | undefined): void {
    if (place !== undefined) void this.#options.keys.leave(owner, place, false).catch(() => undefined)
  }

  get #leaseMs(): number {
    return this.#task.limit?.leaseMs ?? DEFAULT_LEASE_MS
  }

  #away(entrant: Entrant): Passing {
    const { clock } = this.#options
    if (entrant.attempt.delivery.heldMs < MAX_HELD_AWAY_MS) {
      return this.#holdFor(entrant, 'store', AWAY_MS * (0.5 + Math.random()))
    }
    return this.#delay(entrant, 'store', clock.now() + 60 * AWAY_MS)
  }

  #holdFor(entrant: Entrant, by: Limited['by'], waitMs: number): Passing {
    this.#tell(entrant, { by, action: 'held', waitMs })
    const until = new Promise<void>((resolve) => void (this.#options.startTimer ?? startTimer)(waitMs, resolve))
    return { kind: 'held', until, parked: true }
  }

  #delay(entrant: Entrant, by: Limited['by'], due: number): Passing {
    this.#tell(entrant, { by, action: 'delayed', waitMs: Math.max(0, due - this.#options.clock.now()) })
    const { delivery } = entrant.attempt
    // Whatever it waits for, the start that is reserved for it stays its own.
    const slot = this.#slotOf(delivery)
    const kept = slot === undefined ? {} : { [headers.slot]: slotText({ ...slot, at: due }) }
    return { kind: 'postponed', due, added: { ...kept, ...noteDeliveries(delivery.message) } }
  }

  #drop(entrant: Entrant, by: 'rate' | 'concurrency', reason: string): Outcome {
    this.#tell(entrant, { by, action: 'dropped', waitMs: undefined })
    return { kind: 'limited', reason: `dropped: ${reason}` }
  }

  #tell({ attempt, owner }: Entrant, limited: Omit<Limited, 'key'>): void {
    this.#options.onLimited(attempt, { ...limited, key: owner.key })
  }
}
