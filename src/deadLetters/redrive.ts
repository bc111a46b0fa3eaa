/**
 * Sending dead letters back to where they came from. Each goes as a fresh message with all its attempts before it, and
 * is removed from the dead-letter queue once the broker has confirmed it: whatever ends a redrive in the middle leaves
 * at worst a few messages in both places, and none in neither.
 */
import type { ConsumeMessage } from 'amqplib'
import { OriginUnknownError } from '../errors/index.js'
import { parseInstant } from '../wire/celeryValues.js'
import { copyOf, slimCopyOf } from '../wire/copy.js'
import type { DeadLetter } from '../wire/deadLetter.js'
import { celeryHeaders, headers } from '../wire/names.js'
import type { OutgoingMessage } from '../wire/outgoingMessage.js'

/** `origin`: the exchange and routing key it was published with. `queue`: the queue it died in, past any exchange. */
export type RedriveTarget = 'origin' | 'queue'

export interface Destination {
  /** The default exchange, which leads to the queue named by the routing key, is the empty string. */
  readonly exchange: string
  readonly routingKey: string
}

/** Throws `OriginUnknownError`. */
export function destinationOf({ exchange, routingKey, queue }: DeadLetter, to: RedriveTarget): Destination {
  if (to === 'queue' && queue !== undefined) return { exchange: '', routingKey: queue }
  if (to === 'origin' && exchange !== undefined && routingKey !== undefined) return { exchange, routingKey }
  throw new OriginUnknownError()
}

/** What Warren and earlier attempts wrote on it: none of it is true of the fresh message. */
const SHED: readonly string[] = [
  headers.reason,
  headers.errorClass,
  headers.errorMessage,
  headers.attempts,
  headers.queue,
  headers.at,
  headers.exchange,
  headers.routingKey,
  celeryHeaders.retries,
]

/** The run that a redrive begins: later than the one that ended here, also when that one's clock was ahead. */
export function runOf({ properties }: ConsumeMessage, now: number): number {
  const before: unknown = properties.headers?.[headers.run]
  // After the largest integer there is none: a worker would refuse the message.
  return Number.isSafeInteger(before) ? Math.min(Math.max((before as number) + 1, now), Number.MAX_SAFE_INTEGER) : now
}

export interface FreshOptions {
  readonly to: RedriveTarget
  readonly now: number
  readonly run: number
  /** Without the sender's headers that do not fit into one AMQP frame. */
  readonly slim?: boolean
}

/**
 * The fresh message. Its sender's deadline is left out when it has passed: whoever sends it back wants it run. It is
 * marked as republished, since an earlier redrive may have been cut off between sending it and removing it here, and a
 * worker that finds the task done then does not run it again.
 */
export function freshCopy(
  message: ConsumeMessage,
  letter: DeadLetter,
  { to, now, run, slim = false }: FreshOptions,
): OutgoingMessage {
  const added = { [headers.redriven]: letter.redriven + 1, [headers.republished]: true, [headers.run]: run }
  const copy = (slim ? slimCopyOf : copyOf)(message, letter.id, added)
  const fresh: Record<string, unknown> = Object.fromEntries(
    Object.entries(copy.properties.headers).filter(([name]) => !SHED.includes(name)),
  )
  const expires = fresh[celeryHeaders.expires]
  const deadline = typeof expires === 'string' ? parseInstant(expires) : undefined
  if (deadline !== undefined && deadline.getTime() <= now) delete fresh[celeryHeaders.expires]
  if (to === 'queue' && letter.exchange !== undefined && letter.routingKey !== undefined) {
    // It does not pass its exchange now, so that it has to carry the name along for the next time.
    fresh[headers.exchange] = letter.exchange
    fresh[headers.routingKey] = letter.routingKey
  }
  return { content: copy.content, properties: { ...copy.properties, headers: fresh } }
}
