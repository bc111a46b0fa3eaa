/**
 * One delivery of a message, and whether it is still ours. There is one of these for each delivery, made by the consumer
 * that received it, and it is the only place that knows: lists elsewhere are views.
 *
 *     held ──ack()──▶ settled
 *       ├──giveBack()──▶ lost: requeued, RabbitMQ hands it out again
 *       └──lose()──────▶ lost: its channel died or the broker took it back, and RabbitMQ hands it out again
 *
 * Whoever has awaited anything asks `held` before the next step. A delivery leaves `held` once and for all.
 */
import type { ConsumeMessage } from 'amqplib'
import type { QueueDeclaration } from '../amqp/declare.js'
import { ClosedError, MessageError, textOf } from '../errors/index.js'
import type { QueueType } from '../task/topology.js'
import { decode, type Envelope } from '../wire/envelope.js'
import { laneIn, withoutLane } from '../wire/names.js'
import { taskIdOf } from '../wire/redelivery.js'

/** The queue that a delivery comes from. */
export interface DeliveryQueue {
  readonly name: string
  readonly type: QueueType
  /** The task that the queue is for. */
  readonly task: string
  /** Where the task has a queue for each priority. */
  readonly priority?: 'high' | 'low' | undefined
  /** Its messages run one after the other, in their order. */
  readonly ordered?: boolean
}

export function queueOf({ queue, binding }: QueueDeclaration): DeliveryQueue {
  const lane = laneIn(queue.name)
  return {
    ...{ name: queue.name, type: queue.type, task: withoutLane(binding.routingKey) },
    ...(lane === 'high' || lane === 'low' ? { priority: lane } : {}),
    ...(queue.arguments?.['x-single-active-consumer'] === true ? { ordered: true } : {}),
  }
}

/** What carries out the end of a delivery on its channel. */
export interface Settlement {
  ack(message: ConsumeMessage): void
  /** Requeues. `counted`: where the broker makes a difference, so that it counts towards the delivery limit. */
  giveBack(message: ConsumeMessage, counted?: true): void
  /** Whether RabbitMQ will soon wait for an acknowledgement, or does so already. */
  readonly nearlyFull: boolean
}

/** What makes a delivery another one than most. */
export interface Particulars {
  /** Why the message cannot be read, where that is known already. */
  readonly undecodable?: MessageError
  /** The delivery of the pack that it is a member of. */
  readonly pack?: object
}

const NOTHING_PARTICULAR: Particulars = Object.freeze({})

export class Delivery {
  readonly message: ConsumeMessage
  readonly queue: DeliveryQueue
  /** The decoded message, or undefined for one that cannot be read. */
  readonly envelope: Envelope | undefined
  /** Why it cannot be read. */
  readonly undecodable: MessageError | undefined
  /** Whether the message was handed out before, to any consumer. */
  readonly redelivered: boolean
  /** The delivery of the pack that it is a member of; undefined for a message of its own. */
  readonly pack: object | undefined
  /** How many attempts of this delivery have failed, and were followed by another one here: in an ordered queue. */
  failed = 0
  readonly #since = performance.now()
  readonly #settlement: Settlement
  readonly #ended: (delivery: Delivery) => void
  #state: 'held' | 'settled' | 'lost' = 'held'
  #lostReason: unknown
  #onLost: ((reason: unknown) => void) | undefined

  /** `ended` is called once, when it is no longer held. */
  constructor(
    message: ConsumeMessage,
    queue: DeliveryQueue,
    settlement: Settlement,
    ended: (delivery: Delivery) => void,
    { undecodable, pack }: Particulars = NOTHING_PARTICULAR,
  ) {
    this.message = message
    this.queue = queue
    this.#settlement = settlement
    this.#ended = ended
    this.redelivered = message.fields.redelivered
    this.pack = pack
    if (undecodable !== undefined) {
      this.undecodable = undecodable
      return
    }
    try {
      this.envelope = decode(message.properties, message.content)
    } catch (error) {
      this.undecodable =
        error instanceof MessageError
          ? error
          : new MessageError(`It cannot be read: ${textOf(error)}`, { cause: error })
    }
  }

  /** The task id, even of a message that cannot be decoded, if it has a readable one; else undefined. */
  get id(): string | undefined {
    return this.envelope?.id ?? (taskIdOf(this.message) || undefined)
  }

  /** Whether its end should not be put off: see {@link Settlement.nearlyFull}. */
  get urgent(): boolean {
    return this.#settlement.nearlyFull
  }

  get held(): boolean {
    return this.#state === 'held'
  }

  /** How long ago it came. */
  get heldMs(): number {
    return performance.now() - this.#since
  }

  /** Why it was lost; undefined while it is held and after it was settled. */
  get lostReason(): unknown {
    return this.#lostReason
  }

  /** Throws the reason when it was lost. */
  throwIfLost(): void {
    if (this.#state === 'lost') throw this.#lostReason
  }

  /** Calls `listener` when it is lost, or at once when it is already. One listener: the attempt that runs it. */
  whenLost(listener: (reason: unknown) => void): void {
    if (this.#state === 'lost') listener(this.#lostReason)
    else this.#onLost = listener
  }

  /** Acknowledges. False when it is not held any more: RabbitMQ hands a lost message out again. */
  ack(): boolean {
    if (this.#state !== 'held') return false
    this.#state = 'settled'
    this.#settlement.ack(this.message)
    this.#ended(this)
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
    this.#lostReason = reason
    this.#ended(this)
    this.#onLost?.(reason)
  }
}
