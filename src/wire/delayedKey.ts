/**
 * Routing keys in the delay levels: a binary digit for each level, the highest first, and then the key under which the
 * message is due: a task's name, or one queue's own. Pure.
 */
import { createHash } from 'node:crypto'
import { commandsExchange, DELAY_PREFIX, domainOf } from './names.js'

/** Levels 0 to 23: delays of up to 2^24 - 1 seconds, 194 days, in one go. */
export const DELAY_LEVELS = 24

/** AMQP's routing keys hold 255 bytes; each level takes two of them, a digit and a dot. */
export const MAX_DELAYED_KEY_BYTES = 255 - 2 * DELAY_LEVELS

/** No task has a name that begins so. */
const QUEUE_PREFIX = '@queue.'
const HASH_PREFIX = '@sha256.'

/** The routing key that takes a message through the levels for whole seconds, from 1 to 2^24 - 1. */
export const delayKey = (seconds: number, key: string): string =>
  `${seconds.toString(2).padStart(DELAY_LEVELS, '0').split('').join('.')}.${key}`

/** The key under which one queue, and no other queue of its task, takes what is due. */
export function queueKey(queue: string): string {
  const key = `${QUEUE_PREFIX}${queue}`
  if (Buffer.byteLength(key) <= MAX_DELAYED_KEY_BYTES) return key
  return `${HASH_PREFIX}${createHash('sha256').update(queue).digest('hex')}`
}

export interface Route {
  readonly exchange: string
  readonly routingKey: string
}

const DIGITS = new RegExp(`^(?:[01]\\.){${DELAY_LEVELS}}`)

/** Whether an exchange or a queue is one of the delay levels'. */
export const isDelayName = (name: string | undefined): boolean => name?.startsWith(DELAY_PREFIX) === true

/**
 * Where a message was to go that is in the levels, or came out of them: to its task's exchange, or straight to a queue.
 * Undefined when the key does not say.
 */
export function beyondDelays(routingKey: string): Route | undefined {
  if (!DIGITS.test(routingKey)) return undefined
  const key = routingKey.slice(2 * DELAY_LEVELS)
  if (key.startsWith(QUEUE_PREFIX)) return { exchange: '', routingKey: key.slice(QUEUE_PREFIX.length) }
  if (key.startsWith(HASH_PREFIX) || key === '') return undefined
  return { exchange: commandsExchange(domainOf(key)), routingKey: key }
}
