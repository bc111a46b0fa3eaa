/**
 * Deliveries that are not due yet. One with little time left is held here, without a place among the handlers; one with
 * more is published into the delay levels and acknowledged, so that a worker's prefetch is not full of messages that
 * wait for hours.
 */
import { jittered } from '../amqp/backoff.js'
import type { Clock } from '../time/clock.js'
import { HOLD_MS } from '../time/delayRoutes.js'
import { dueAt } from '../time/due.js'
import { startTimer } from '../timers.js'
import type { Delivery } from './delivery.js'

export interface WaitingRoomOptions {
  readonly clock: Clock
  /** Publishes a copy for the rest of the time, and acknowledges. */
  readonly postpone: (delivery: Delivery, due: number) => Promise<void>
  /** It could not be postponed, and is held until it can. */
  readonly onDelayed: (delivery: Delivery, error: unknown) => void
  /** It is due. */
  readonly onDue: (delivery: Delivery) => void
  /** What was kept may be run now. */
  readonly onTurn: (delivery: Delivery) => void
  /** A delivery has come in or left for which others may be taken meanwhile. */
  readonly onHeld: (delivery: Delivery, held: boolean) => void
}

const RETRY_INITIAL_MS = 500
const RETRY_MAX_MS = 5_000

export class WaitingRoom {
  readonly #options: WaitingRoomOptions
  /** Each with what cancels its timer. */
  readonly #held = new Map<Delivery, () => void>()
  /** Those of them for which no others are taken. */
  readonly #unparked = new WeakSet<Delivery>()

  constructor(options: WaitingRoomOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#held.size
  }

  get deliveries(): Delivery[] {
    return [...this.#held.keys()]
  }

  /** Takes a delivery that is not due. False when it is due, or has expired for its sender already. */
  takes(delivery: Delivery): boolean {
    const { envelope, message } = delivery
    if (envelope === undefined) return false
    const due = dueAt(envelope.eta, message.properties.headers)
    const now = this.#options.clock.now()
    if (due <= now || (envelope.expires !== undefined && envelope.expires.getTime() <= now)) return false
    this.#held.set(delivery, () => undefined)
    this.#options.onHeld(delivery, true)
    this.#wait(delivery, due)
    return true
  }

  /** Keeps a delivery until `until` resolves. `parked`: others of its queue may be taken meanwhile. */
  async keep(
    delivery: Delivery,
    { until, parked = false }: { until: Promise<unknown>; parked?: boolean },
  ): Promise<void> {
    this.#held.set(delivery, () => undefined)
    if (parked) this.#options.onHeld(delivery, true)
    else this.#unparked.add(delivery)
    await until
    if (!this.#held.has(delivery)) return
    this.#leave(delivery)
    if (delivery.held) this.#options.onTurn(delivery)
  }

  /** Drops what is not held any more. */
  prune(): void {
    for (const delivery of this.#held.keys()) if (!delivery.held) this.#leave(delivery)
  }

  /** Gives everything back to its queue. */
  giveBackAll(): void {
    for (const delivery of [...this.#held.keys()]) {
      delivery.giveBack()
      this.#leave(delivery)
    }
  }

  #wait(delivery: Delivery, due: number): void {
    if (due - this.#options.clock.now() <= HOLD_MS) this.#hold(delivery, due)
    else void this.#postpone(delivery, due)
  }

  #hold(delivery: Delivery, due: number): void {
    const { clock, onDue } = this.#options
    const act = (): void => {
      // A timer may fire a moment early, and the clock may have been set back.
      if (delivery.held && due > clock.now()) {
        this.#wait(delivery, due)
        return
      }
      this.#leave(delivery)
      if (delivery.held) onDue(delivery)
    }
    this.#held.set(delivery, startTimer(Math.max(0, Math.ceil(due - clock.now())), act))
  }

  async #postpone(delivery: Delivery, due: number, failures = 0): Promise<void> {
    // Each copy of one that was lost would be run beside the message itself.
    if (!delivery.held) return this.#leave(delivery)
    try {
      await this.#options.postpone(delivery, due)
      this.#leave(delivery)
    } catch (error) {
      // Given back or lost meanwhile.
      if (!this.#held.has(delivery) || !delivery.held) return this.#leave(delivery)
      const leftMs = due - this.#options.clock.now()
      if (leftMs <= HOLD_MS) return this.#hold(delivery, due)
      this.#options.onDelayed(delivery, error)
      const again = (): void => void this.#postpone(delivery, due, failures + 1)
      this.#held.set(delivery, startTimer(jittered(RETRY_INITIAL_MS, failures, RETRY_MAX_MS), again))
    }
  }

  #leave(delivery: Delivery): void {
    const cancel = this.#held.get(delivery)
    if (cancel === undefined) return
    cancel()
    this.#held.delete(delivery)
    if (!this.#unparked.delete(delivery)) this.#options.onHeld(delivery, false)
  }
}
