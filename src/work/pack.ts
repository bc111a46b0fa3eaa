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
import { Delivery, type DeliveryQueue } from './delivery.js'
import { Held, type Settlement } from './held.js'

/** Publishes members as messages of their own. Rejects when one of them is not confirmed. */
export type PublishSingly = (pack: Pack, members: readonly ConsumeMessage[]) => Promise<void>

export class Pack extends Held {
  readonly queue: DeliveryQueue
  /** The messages of its members. */
  readonly contents: readonly ConsumeMessage[]
  readonly #ended: (pack: Pack) => void
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
    super(message, settlement)
    this.contents = contents
    this.queue = queue
    this.#ended = ended
    this.#left = contents.length
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

  protected override ended(reason?: unknown): void {
    this.#ended(this)
    if (this.lost) for (const member of this.#members) member.lose(reason)
  }

  #forMembers(): Settlement {
    const pack = this
    return {
      ack: () => pack.#end(1),
      giveBack: (message) => {
        if (pack.#returned.push(message) === 1) setImmediate(() => pack.#returnMembers())
      },
      get nearlyFull() {
        return pack.urgent
      },
    }
  }

  #returnMembers(): void {
    const returned = this.#returned.splice(0)
    if (!this.held) return
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
