/**
 * A message that RabbitMQ handed out, by itself or as a pack, and whether it is still ours.
 *
 *     held ──ack()──▶ settled
 *       ├──giveBack()──▶ lost: requeued, RabbitMQ hands it out again
 *       └──lose()──────▶ lost: its channel died or the broker took it back, and RabbitMQ hands it out again
 *
 * Whoever has awaited anything asks `held` before the next step. It leaves `held` once and for all.
 */
import type { ConsumeMessage } from 'amqplib'
import { ClosedError } from '../errors/index.js'

/** What carries out the end of a delivery on its channel. */
export interface Settlement {
  ack(message: ConsumeMessage): void
  /** Requeues. `counted`: where the broker makes a difference, so that it counts towards the delivery limit. */
  giveBack(message: ConsumeMessage, counted?: true): void
  /** Whether RabbitMQ will soon wait for an acknowledgement, or does so already. */
  readonly nearlyFull: boolean
}

export abstract class Held {
  readonly message: ConsumeMessage
  readonly #since = performance.now()
  readonly #settlement: Settlement
  #state: 'held' | 'settled' | 'lost' = 'held'

  constructor(message: ConsumeMessage, settlement: Settlement) {
    this.message = message
    this.#settlement = settlement
  }

  get held(): boolean {
    return this.#state === 'held'
  }

  get lost(): boolean {
    return this.#state === 'lost'
  }

  /** How long ago it came. */
  get heldMs(): number {
    return performance.now() - this.#since
  }

  /** Whether its end should not be put off: see {@link Settlement.nearlyFull}. */
  get urgent(): boolean {
    return this.#settlement.nearlyFull
  }

  /** Acknowledges. False when it is not held any more: RabbitMQ hands a lost message out again. */
  ack(): boolean {
    if (this.#state !== 'held') return false
    this.#state = 'settled'
    this.#settlement.ack(this.message)
    this.ended()
    return true
  }

  /** Requeues the message, for any worker. False when it is not held any more. */
  giveBack(reason: unknown = new ClosedError('The delivery'), counted?: true): boolean {
    if (this.#state !== 'held') return false
    this.#settlement.giveBack(this.message, counted)
    this.lose(reason)
    return true
  }

  /** RabbitMQ has taken the message back. */
  lose(reason: unknown): void {
    if (this.#state !== 'held') return
    this.#state = 'lost'
    this.ended(reason)
  }

  /** Called once, when it is no longer held. `reason`: why it was lost. */
  protected abstract ended(reason?: unknown): void
}
