/**
 * Sends dead letters back to their origin. Each is published as a new message with all attempts available, and is removed from
 * the dead-letter queue once the broker has confirmed it: an interrupted redrive leaves at worst a few messages in both places,
 * and loses none.
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
  /** The default exchange, which routes to the queue named by the routing key, is the empty string. */
  readonly exchange: string
  readonly routingKey: string
}

/** Throws `OriginUnknownError`. */
export function destinationOf({ exchange, routingKey, queue }: DeadLetter, to: RedriveTarget): Destination {
  if (to === 'queue' && queue !== undefined) return { exchange: '', routingKey: queue }
  if (to === 'origin' && exchange !== undefined && routingKey !== undefined) return { exchange, routingKey }
  throw new OriginUnknownError()
}

/** Headers that Warren and earlier attempts added; they do not apply to the new message. */
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

/** The run that a redrive begins: later than the run that ended here, even if that one's clock was ahead. */
export function runOf({ properties }: ConsumeMessage, now: number): number {
  const before: unknown = properties.headers?.[headers.run]
  // There is no larger integer, and a worker would refuse the message.
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
 * The new message. It omits its sender's deadline if that has passed, because a redrive means that the task should run. It is
 * marked as republished: an earlier redrive may have been interrupted between sending it and removing it here, and a worker
 * does not run a task that is already done.
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
    // It bypasses its exchange now, so it must carry the exchange's name for the next time.
    fresh[headers.exchange] = letter.exchange
    fresh[headers.routingKey] = letter.routingKey
  }
  return { content: copy.content, properties: { ...copy.properties, headers: fresh } }
}
