/**
 * One delivery of a message. There is one of these for each delivery, made by the consumer that received it, and it is the
 * only place that knows whether it is still ours (`held.ts`): lists elsewhere are views.
 */
import type { ConsumeMessage } from 'amqplib'
import type { QueueDeclaration } from '../amqp/declare.js'
import { MessageError, textOf } from '../errors/index.js'
import type { QueueType } from '../task/topology.js'
import { decode, type Envelope } from '../wire/envelope.js'
import { laneIn, withoutLane } from '../wire/names.js'
import { taskIdOf } from '../wire/redelivery.js'
import { Held, type Settlement } from './held.js'

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

/** What makes a delivery another one than most. */
export interface Particulars {
  /** Why the message cannot be read, where that is known already. */
  readonly undecodable?: MessageError
  /** The delivery of the pack that it is a member of. */
  readonly pack?: object
}

const NOTHING_PARTICULAR: Particulars = Object.freeze({})

export class Delivery extends Held {
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
  readonly #ended: (delivery: Delivery) => void
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
    super(message, settlement)
    this.queue = queue
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

  /** Why it was lost; undefined while it is held and after it was settled. */
  get lostReason(): unknown {
    return this.#lostReason
  }

  /** Throws the reason when it was lost. */
  throwIfLost(): void {
    if (this.lost) throw this.#lostReason
  }

  /** Calls `listener` when it is lost, or at once when it is already. One listener: the attempt that runs it. */
  whenLost(listener: (reason: unknown) => void): void {
    if (this.lost) listener(this.#lostReason)
    else this.#onLost = listener
  }

  protected override ended(reason?: unknown): void {
    this.#lostReason = reason
    this.#ended(this)
    if (this.lost) this.#onLost?.(reason)
  }
}
