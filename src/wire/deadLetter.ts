/**
 * Reads a dead letter: its identity, its origin, and the reason of its death, as a code and as text. Warren's reason is in its
 * own headers (`names.ts`), RabbitMQ's in `x-death` (https://www.rabbitmq.com/docs/dlx#effects): a list of tables, the latest
 * death first, the same in 3.10 and 4.x. Pure.
 *
 * All of it is untrusted: any header may be missing, have another type, or contain escape sequences for a terminal. Nothing
 * here throws, and nothing here makes text safe to print; that is up to the code that prints it.
 */
import { createHash } from 'node:crypto'
import type { ConsumeMessage } from 'amqplib'
import { isTable, parseInstant } from './celeryValues.js'
import { isName } from './copy.js'
import type { DeadLetterReason } from './deadLetterReason.js'
import { beyondDelays, isDelayName } from './delayedKey.js'
import { celeryHeaders, DELAY_DUE, headers as names } from './names.js'
import { memberCount } from './pack.js'

/** Why a message died: Warren's reasons, and RabbitMQ's under the same names. `unknown`: neither recorded one. */
export type DeathReason = DeadLetterReason | 'maxlen' | 'unroutable' | 'unknown'

export interface DeadLetter {
  /** The task id; otherwise the message id; otherwise `sha256-` and the beginning of its content's hash. */
  readonly id: string
  readonly task: string | undefined
  readonly reason: DeathReason
  /** The reason as text, such as `failed on attempt 4 with HandlerError: no such customer`. */
  readonly why: string
  /** Who dead-lettered it. */
  readonly by: 'warren' | 'broker' | undefined
  readonly diedAt: Date | undefined
  /** The queue in which it died. */
  readonly queue: string | undefined
  /** Where it was published, which is also the destination of a redrive; the default exchange is the empty string. */
  readonly exchange: string | undefined
  readonly routingKey: string | undefined
  /** How many attempts were made; undefined if it never reached a worker, as far as is known. */
  readonly attempts: number | undefined
  readonly errorClass: string | undefined
  readonly errorMessage: string | undefined
  /** How often it was redriven before. */
  readonly redriven: number
  readonly traceparent: string | undefined
  /** The size of its content. */
  readonly bytes: number
}

/** A dead letter with its content and headers. */
export interface DeadLetterContent extends DeadLetter {
  readonly content: Buffer
  readonly contentType: string | undefined
  readonly headers: Readonly<Record<string, unknown>>
}

/** AMQP's short strings: longer ids cannot be message ids. */
const MAX_ID_BYTES = 255

export function readDeadLetter(message: ConsumeMessage): DeadLetter {
  const headers = headersOf(message)
  const [death] = deathsIn(headers['x-death'])
  const told = text(headers[names.reason])
  const attempts = count(headers[names.attempts])
  const errorClass = text(headers[names.errorClass])
  const errorMessage = text(headers[names.errorMessage])
  const unroutable = isDelayName(death?.queue) ? unroutableFrom(message, death) : undefined
  const queue = unroutable === undefined ? (nameIn(headers[names.queue]) ?? death?.queue) : unroutable.queue
  // Both or neither: mixing the exchange and routing key of two messages would route it to a wrong place.
  const exchange = nameIn(headers[names.exchange])
  const routingKey = nameIn(headers[names.routingKey])
  const origin =
    exchange !== undefined && routingKey !== undefined
      ? { exchange, routingKey }
      : (unroutable?.origin ?? originIn(death))
  const at = text(headers[names.at])
  const cause: Pick<DeadLetter, 'by' | 'reason' | 'why'> =
    told !== undefined
      ? { by: 'warren', ...warrensReason(told, { attempts, errorClass, errorMessage }) }
      : unroutable !== undefined
        ? { by: 'broker', reason: 'unroutable', why: unroutable.why }
        : death !== undefined
          ? { by: 'broker', ...brokersReason(death) }
          : { by: undefined, reason: 'unknown', why: 'the message contains no reason' }
  const tasks = memberCount(message)
  return {
    id: deadLetterId(message, headers),
    task: text(headers[celeryHeaders.task]) ?? origin.routingKey,
    ...cause,
    why: tasks === undefined ? cause.why : `${cause.why}; a pack of ${tasks} tasks`,
    diedAt: (at === undefined ? undefined : parseInstant(at)) ?? death?.at,
    queue,
    ...origin,
    attempts,
    errorClass,
    errorMessage,
    redriven: count(headers[names.redriven]) ?? 0,
    traceparent: text(headers[celeryHeaders.traceparent]),
    bytes: message.content.length,
  }
}

export function readContent(message: ConsumeMessage): DeadLetterContent {
  return {
    ...readDeadLetter(message),
    content: message.content,
    contentType: text(message.properties.contentType),
    headers: headersOf(message),
  }
}

function deadLetterId({ content, properties }: ConsumeMessage, headers: Headers): string {
  for (const id of [text(headers[celeryHeaders.id]), text(properties.messageId)]) {
    if (id !== undefined && id !== '' && Buffer.byteLength(id) <= MAX_ID_BYTES) return id
  }
  return `sha256-${createHash('sha256').update(content).digest('hex').slice(0, 16)}`
}

type Headers = Readonly<Record<string, unknown>>
type Reason = Pick<DeadLetter, 'reason' | 'why'>

const headersOf = ({ properties }: ConsumeMessage): Headers => (isTable(properties.headers) ? properties.headers : {})

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** Text that can be the name of an exchange or a queue, or a routing key. */
const nameIn = (value: unknown): string | undefined => (isName(value) ? value : undefined)

const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined

/** The texts of Warren's reasons. A record, so that the compiler requires a text for a new one. */
const WARRENS_WORDS: Readonly<Record<DeadLetterReason, string>> = {
  failed: 'failed',
  rejected: 'rejected by its handler',
  'invalid-input': "its input does not fit the task's schema",
  'unknown-task': 'no handler for its task',
  undecodable: 'cannot be read as a task message',
  canvas: 'its Celery canvas cannot be run, and no part of it was',
  expired: "its sender's deadline had passed before it ran",
  'delivery-limit': 'redelivered repeatedly without an attempt ending; it may kill the workers that run it',
}

/** Every reason that a dead letter can have. */
export const DEATH_REASONS: readonly DeathReason[] = [
  ...(Object.keys(WARRENS_WORDS) as DeadLetterReason[]),
  'maxlen',
  'unroutable',
  'unknown',
]

function warrensReason(
  told: string,
  { attempts, errorClass, errorMessage }: Pick<DeadLetter, 'attempts' | 'errorClass' | 'errorMessage'>,
): Reason {
  const error = [errorClass, errorMessage].filter((part) => part !== undefined && part !== '').join(': ')
  const known = Object.hasOwn(WARRENS_WORDS, told)
  const words = known ? WARRENS_WORDS[told as DeadLetterReason] : told
  if (told === 'failed' || told === 'rejected') {
    const which = attempts === undefined ? '' : ` on attempt ${attempts}`
    return { reason: told, why: `${words}${which}${error === '' ? '' : ` with ${error}`}` }
  }
  return {
    reason: known ? (told as DeadLetterReason) : 'unknown',
    why: error === '' ? words : `${words} (${error})`,
  }
}

interface Death {
  readonly reason: string | undefined
  readonly queue: string | undefined
  readonly exchange: string | undefined
  readonly routingKey: string | undefined
  readonly at: Date | undefined
  /** The message's own expiration in milliseconds, as text; without it, the queue's TTL ended it. */
  readonly expiration: string | undefined
}

function deathsIn(value: unknown): Death[] {
  if (!Array.isArray(value)) return []
  return (value as readonly unknown[]).filter(isTable).map((death) => {
    const keys: unknown = death['routing-keys']
    return {
      reason: text(death.reason),
      queue: nameIn(death.queue),
      exchange: nameIn(death.exchange),
      routingKey: Array.isArray(keys) ? nameIn(keys[0]) : undefined,
      at: timestamp(death.time),
      expiration: text(death['original-expiration']),
    }
  })
}

/** amqplib gives AMQP's timestamps as `{ '!': 'timestamp', value: seconds }`. */
function timestamp(value: unknown): Date | undefined {
  const given = isTable(value) ? value.value : value
  const seconds = typeof given === 'bigint' ? Number(given) : given
  if (typeof seconds !== 'number') return undefined
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? undefined : date
}

/** Where a message was published to. One that came out of the delay levels was meant for what stands behind them. */
function originIn(death: Death | undefined): Pick<DeadLetter, 'exchange' | 'routingKey'> {
  const { exchange, routingKey } = death ?? {}
  if (routingKey === undefined || !isDelayName(exchange)) return { exchange, routingKey }
  return beyondDelays(routingKey) ?? { exchange: undefined, routingKey: undefined }
}

/** A delayed message that no queue took: RabbitMQ's last record is that it left a delay level. */
function unroutableFrom({ fields }: ConsumeMessage, death: Death | undefined) {
  const origin = beyondDelays(fields.routingKey) ?? beyondDelays(death?.routingKey ?? '')
  // Not the level: a message sent straight there without its headers would stay there forever.
  const queue = origin?.exchange === '' ? origin.routingKey : undefined
  const what =
    origin === undefined ? 'it' : queue === undefined ? `task ${origin.routingKey}` : `what is due for queue ${queue}`
  return { origin, queue, why: `no queue took ${what} when it was due: none is bound to ${DELAY_DUE} for it` }
}

function brokersReason({ reason, queue = 'its queue', expiration }: Death): Reason {
  switch (reason) {
    case 'expired':
      return {
        reason,
        why: `expired while it waited in ${queue} (${
          expiration === undefined ? "the queue's TTL" : `its own expiration of ${expiration} ms`
        })`,
      }
    case 'rejected':
      return { reason, why: `rejected by a consumer of ${queue}` }
    case 'delivery_limit':
      return {
        reason: 'delivery-limit',
        why: `delivered from ${queue} more often than its delivery limit; it may kill the workers that run it`,
      }
    case 'maxlen':
      return { reason, why: `dropped from ${queue}, which had reached its length limit` }
    default:
      return { reason: 'unknown', why: `dead-lettered from ${queue}: ${reason ?? 'no reason given'}` }
  }
}
