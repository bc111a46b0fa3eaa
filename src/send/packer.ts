/**
 * Puts tasks that are sent in one turn of the event loop, and may be packed, into packs: one message, one confirm. Nothing
 * waits for others to come: what is sent alone goes alone, as an ordinary message.
 *
 * What the broker answers of a pack is the answer of each of its members. A pack that cannot be encoded, or is refused, is
 * sent again member by member, so that one of them does not fail the others.
 */
import { randomUUID } from 'node:crypto'
import { MessageError, UnconfirmedError } from '../errors/index.js'
import type { TaskPack } from '../task/pack.js'
import type { Encoded } from '../wire/envelope.js'
import { encodePack, type PackedMember, packedMember } from '../wire/pack.js'
import type { Publication } from './outgoing.js'
import type { Producer } from './producer.js'

/** A task that may go into a pack. */
export type Packable = Publication & { readonly message: Encoded }

interface Waiting {
  readonly publication: Packable
  readonly packed: PackedMember
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

interface Open {
  readonly members: Waiting[]
  bytes: number
}

export class Packer {
  readonly #producer: Pick<Producer, 'publish'>
  readonly #maxMessageBytes: number
  /** By what the members of a pack must have in common. */
  readonly #open = new Map<string, Open>()

  constructor(producer: Pick<Producer, 'publish'>, maxMessageBytes: number) {
    this.#producer = producer
    this.#maxMessageBytes = maxMessageBytes
  }

  /** Resolves once the broker has confirmed the message that carries the task. Rejects as `Producer.publish` does. */
  publish(publication: Packable, { maxTasks, maxBytes }: TaskPack): Promise<void> {
    const packed = packedMember(publication.message)
    const most = Math.min(maxBytes, this.#maxMessageBytes)
    if (packed.bytes > most) return this.#producer.publish(publication)
    const { exchange, routingKey, confirmTimeoutMs } = publication
    const key = `${confirmTimeoutMs} ${exchange} ${routingKey}`
    return new Promise((resolve, reject) => {
      let open = this.#open.get(key)
      if (open !== undefined && open.bytes + packed.bytes > most) {
        this.#send(key, open)
        open = undefined
      }
      if (open === undefined) {
        open = { members: [], bytes: 0 }
        if (this.#open.size === 0) setImmediate(() => this.flush())
        this.#open.set(key, open)
      }
      open.bytes += packed.bytes
      if (open.members.push({ publication, packed, resolve, reject }) >= maxTasks) this.#send(key, open)
    })
  }

  /** Sends what is gathered, now. */
  flush(): void {
    for (const [key, open] of this.#open) this.#send(key, open)
  }

  #send(key: string, { members }: Open): void {
    this.#open.delete(key)
    const [first] = members
    if (first === undefined) return
    if (members.length === 1) this.#alone(first)
    else void this.#together(first.publication, members)
  }

  #alone({ publication, resolve, reject }: Waiting): void {
    this.#producer.publish(publication).then(resolve, reject)
  }

  async #together({ exchange, routingKey, confirmTimeoutMs, message }: Packable, members: readonly Waiting[]) {
    const id = randomUUID()
    const pack = encodePack(
      id,
      message,
      members.map(({ packed }) => packed),
    )
    try {
      await this.#producer.publish({
        ...{ id, exchange, routingKey, message: pack, confirmTimeoutMs, tasks: members.length },
      })
      for (const { resolve } of members) resolve()
    } catch (error) {
      if (error instanceof MessageError) for (const each of members) this.#alone(each)
      else for (const { publication, reject } of members) reject(errorOf(publication, error))
    }
  }
}

/** The error names the member, by which its sender knows it. */
const errorOf = ({ id, confirmTimeoutMs }: Packable, error: unknown): unknown =>
  error instanceof UnconfirmedError
    ? new UnconfirmedError(id, confirmTimeoutMs, error.written, error.problem, error)
    : error
