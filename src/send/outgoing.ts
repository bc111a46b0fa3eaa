/** A message on its way to the broker: its content and its state. */
import type { OutgoingMessage } from '../wire/outgoingMessage.js'

export interface Publication {
  readonly id: string
  readonly exchange: string
  readonly routingKey: string
  readonly message: OutgoingMessage
  /** How long the confirm may take; `Infinity` for no limit. */
  readonly confirmTimeoutMs: number
  /** How many tasks the message carries, where it is a pack. */
  readonly tasks?: number
}

/** A publication in progress. A class, so that all objects have the same shape: there are thousands a second. */
export class Outgoing {
  readonly id: string
  readonly exchange: string
  readonly routingKey: string
  /** Undefined once it is settled: a timer that still holds the record must not keep the content in memory. */
  message: OutgoingMessage | undefined
  readonly bytes: number
  readonly tasks: number | undefined
  readonly confirmTimeoutMs: number
  /** By `performance.now()`, like all times here. */
  readonly deadline: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
  /** When it was first written to a channel; -1 for never. */
  writtenAt = -1
  /** When it was last written. */
  lastWrittenAt = 0
  /** The confirm tag on the current channel; 0 while it is not in flight. */
  tag = 0
  nacks = 0
  /** An earlier copy was not answered, or was refused: it may be in a queue, whatever happens to the next one. */
  unsure = false
  returned = false
  /** It was in flight when the broker closed the channel because of a message, and has not been cleared since. */
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
    this.tasks = publication.tasks
    this.confirmTimeoutMs = confirmTimeoutMs
    this.deadline = performance.now() + confirmTimeoutMs
    this.resolve = resolve
    this.reject = reject
    this.problem = problem
  }
}

/** What is told of a message that the broker has confirmed. */
export interface Confirmation {
  readonly id: string
  readonly exchange: string
  readonly routingKey: string
  /** From its first write. */
  readonly latencyMs: number
  readonly tasks?: number
}

export const confirmation = ({ id, exchange, routingKey, writtenAt, tasks }: Outgoing, now: number): Confirmation => {
  const confirmed = { id, exchange, routingKey, latencyMs: Math.round(now - writtenAt) }
  return tasks === undefined ? confirmed : { ...confirmed, tasks }
}
