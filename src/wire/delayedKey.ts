/**
 * Routing through the delay levels: a header for each level says whether the message waits there, and its routing key is that
 * of the due message: a task's name, or a single queue's key. Pure.
 */
import { createHash } from 'node:crypto'
import { commandsExchange, DELAY_PREFIX, delayHeader, domainOf } from './names.js'

/** Levels 0 to 23: delays of up to 2^24 - 1 seconds, 194 days, in one go. */
export const DELAY_LEVELS = 24

/** Of AMQP's routing keys. */
const MAX_KEY_BYTES = 255

/** No task name begins like this. */
const QUEUE_PREFIX = '@queue.'
const HASH_PREFIX = '@sha256.'

/** Whether a message waits in a level or skips it, as a header value. */
export const WAITS = '1'
export const PASSES = '0'

/** The headers for the levels from this one on, for whole seconds: 5 s waits in levels 2 and 0. */
export function delayHeaders(seconds: number, firstLevel: number): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {}
  for (let level = firstLevel, rest = seconds; level >= 0; level--) {
    const waits = rest >= 2 ** level
    headers[delayHeader(level)] = waits ? WAITS : PASSES
    if (waits) rest -= 2 ** level
  }
  return headers
}

/** The key for due messages of one queue, and no other queue of its task. */
export function queueKey(queue: string): string {
  const key = `${QUEUE_PREFIX}${queue}`
  if (Buffer.byteLength(key) <= MAX_KEY_BYTES) return key
  return `${HASH_PREFIX}${createHash('sha256').update(queue).digest('hex')}`
}

export interface Route {
  readonly exchange: string
  readonly routingKey: string
}

/** Whether an exchange or a queue belongs to the delay levels. */
export const isDelayName = (name: string | undefined): boolean => name?.startsWith(DELAY_PREFIX) === true

/**
 * The destination of a message in the levels, or from them, with this key: its task's exchange, or a queue. Undefined if the
 * key does not contain it.
 */
export function beyondDelays(key: string): Route | undefined {
  if (key.startsWith(QUEUE_PREFIX)) return { exchange: '', routingKey: key.slice(QUEUE_PREFIX.length) }
  if (key.startsWith(HASH_PREFIX) || key === '') return undefined
  return { exchange: commandsExchange(domainOf(key)), routingKey: key }
}
