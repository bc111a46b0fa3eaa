/** A message on its way to the broker: what is published, and what has become of it so far. */
import type { OutgoingMessage } from '../wire/outgoingMessage.js'

export interface Publication {
  readonly id: string
  readonly exchange: string
  readonly routingKey: string
  readonly message: OutgoingMessage
  /** How long it may take until the confirm; `Infinity` for as long as it takes. */
  readonly confirmTimeoutMs: number
}

/** A publication on its way. A class, so that all have one shape: there are thousands a second. */
export class Outgoing {
  readonly id: string
  readonly exchange: string
  readonly routingKey: string
  /** Undefined once it is settled: whoever still holds the record, such as a timer, must not hold the content. */
  message: OutgoingMessage | undefined
  readonly bytes: number
  readonly confirmTimeoutMs: number
  /** By `performance.now()`, as all instants here. */
  readonly deadline: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
  /** When it was first written to a channel; -1 for never. */
  writtenAt = -1
  /** When it was last written. */
  lastWrittenAt = 0
  /** The confirm that it waits for on the present channel; 0 while it is not in flight. */
  tag = 0
  nacks = 0
  /** An earlier copy was never answered, or refused: it may be in a queue, whatever becomes of the next one. */
  unsure = false
  returned = false
  /** It was in flight when the broker closed the channel because of a message, and nothing has cleared it since. */
  suspect = false
  settled = false
  confirmed = false
  problem: string

  constructor(publication: Publication, resolve: () => void, reject: (error: unknown) => void, problem: string) {
    const { id, exchange, routingKey, message, confirmTimeoutMs } = publication
    this.id = id
    this.exchange = exchange
    this.routingKey = routingKey
    this.message = message
    this.bytes = message.content.length
    this.confirmTimeoutMs = confirmTimeoutMs
    this.deadline = performance.now() + confirmTimeoutMs
    this.resolve = resolve
    this.reject = reject
    this.problem = problem
  }
}
