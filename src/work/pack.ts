/**
 * One delivery of a pack. Its members are deliveries of their own, each of which is run and settled as any other; the pack
 * is acknowledged once, when all of them have ended.
 *
 *     held ── all members ended ──▶ settled
 *       ├── a member given back: published as a message of its own, and then it has ended
 *       ├── all members given back at once, or one cannot be published: given back whole
 *       └── lose(): lost, and every member that has not ended with it
 *
 * A pack that is handed out again is not opened: it is taken apart (`packs.ts`).
 */
import type { ConsumeMessage } from 'amqplib'
import { ClosedError } from '../errors/index.js'
import { Delivery, type DeliveryQueue, type Settlement } from './delivery.js'

/** Publishes members as messages of their own. Rejects when one of them is not confirmed. */
export type PublishSingly = (pack: Pack, members: readonly ConsumeMessage[]) => Promise<void>

export class Pack {
  readonly message: ConsumeMessage
  readonly queue: DeliveryQueue
  /** The messages of its members. */
  readonly contents: readonly ConsumeMessage[]
  readonly #since = performance.now()
  readonly #settlement: Settlement
  readonly #ended: (pack: Pack) => void
  #state: 'held' | 'settled' | 'lost' = 'held'
  #members: readonly Delivery[] = []
  #publish: PublishSingly | undefined
  /** Members that have not ended. */
  #left: number
  /** Members that were given back in this turn of the event loop. */
  #returned: ConsumeMessage[] = []
  /** A member could not be published. */
  #broken = false

  /** `ended` is called once, when it is no longer held. */
  constructor(
    message: ConsumeMessage,
    contents: readonly ConsumeMessage[],
    queue: DeliveryQueue,
    { settlement, ended }: { readonly settlement: Settlement; readonly ended: (pack: Pack) => void },
  ) {
    this.message = message
    this.contents = contents
    this.queue = queue
    this.#settlement = settlement
    this.#ended = ended
    this.#left = contents.length
  }

  get held(): boolean {
    return this.#state === 'held'
  }

  /** How long ago it came. */
  get heldMs(): number {
    return performance.now() - this.#since
  }

  /** Members that have not ended. */
  get left(): number {
    return this.#left
  }

  /** Its members, to be run. Once only. */
  open(publish: PublishSingly): readonly Delivery[] {
    this.#publish = publish
    const { queue } = this
    const settlement = this.#forMembers()
    this.#members = this.contents.map(
      (message) => new Delivery(message, queue, settlement, () => undefined, { pack: this }),
    )
    return this.#members
  }

  /** Acknowledges it whole. False when it is not held any more. */
  ack(): boolean {
    if (this.#state !== 'held') return false
    this.#state = 'settled'
    this.#settlement.ack(this.message)
    this.#ended(this)
    return true
  }

  /** Requeues it whole; whoever gets it takes it apart. False when it is not held any more. */
  giveBack(reason: unknown = new ClosedError('The delivery'), counted?: true): boolean {
    if (this.#state !== 'held') return false
    this.#settlement.giveBack(this.message, counted)
    this.lose(reason)
    return true
  }

  /** RabbitMQ has taken it back. */
  lose(reason: unknown): void {
    if (this.#state !== 'held') return
    this.#state = 'lost'
    this.#ended(this)
    for (const member of this.#members) member.lose(reason)
  }

  #forMembers(): Settlement {
    const pack = this
    return {
      ack: () => pack.#end(1),
      giveBack: (message) => {
        if (pack.#returned.push(message) === 1) setImmediate(() => pack.#returnMembers())
      },
      get nearlyFull() {
        return pack.#settlement.nearlyFull
      },
    }
  }

  #returnMembers(): void {
    const returned = this.#returned.splice(0)
    if (this.#state !== 'held') return
    // As it came: nobody has begun with it.
    if (returned.length === this.contents.length || this.#publish === undefined) return void this.giveBack()
    this.#publish(this, returned).then(
      () => this.#end(returned.length),
      () => {
        this.#broken = true
        this.#end(returned.length)
      },
    )
  }

  #end(count: number): void {
    this.#left -= count
    if (this.#left > 0) return
    if (this.#broken) this.giveBack()
    else this.ack()
  }
}
