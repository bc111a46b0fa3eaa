/** What RabbitMQ reports about earlier deliveries of a message. Pure. */
import type { ConsumeMessage } from 'amqplib'
import { isName } from './copy.js'
import { celeryHeaders, headers } from './names.js'

/** Quorum queues count in this header what counts towards their delivery limit: see `Broker.countsReturns`. */
const DELIVERY_COUNT = 'x-delivery-count'
/** And from RabbitMQ 4.3 on, in this one how often the message was handed out before, whatever came of it. */
const ACQUIRED_COUNT = 'x-acquired-count'

/**
 * How much of its queue's delivery limit the message has used up; undefined on a classic queue, which does not count.
 * Where RabbitMQ counts twice, it leaves out a count of 0.
 */
export function deliveryCount(message: ConsumeMessage): number | undefined {
  return numberIn(message, DELIVERY_COUNT) ?? (acquiredCount(message) === undefined ? undefined : 0)
}

/** How often the message was handed out before, where RabbitMQ counts that by itself: on quorum queues from 4.3 on. */
export const acquiredCount = (message: ConsumeMessage): number | undefined => numberIn(message, ACQUIRED_COUNT)

/** On a first delivery the broker writes no count: what stands there is its sender's, or of a queue that it was in before. */
function numberIn({ properties, fields }: ConsumeMessage, header: string): number | undefined {
  const count: unknown = fields.redelivered ? properties.headers?.[header] : undefined
  return typeof count === 'number' && count >= 0 ? count : undefined
}

/**
 * Whether the message may be one that kills the workers it meets. One earlier delivery is nothing: a worker was scaled
 * down or a node restarted. A second one is a reason to run it alone, so that no other message dies with it. A classic
 * queue tells only that there was one.
 */
export function isSuspect(message: ConsumeMessage, queue: 'classic' | 'quorum'): boolean {
  const count = queue === 'quorum' ? deliveryCount(message) : undefined
  if (count === undefined) return message.fields.redelivered
  return count + carriedDeliveries(message) >= 2
}

/**
 * What a copy that waits for its limit carries of the deliveries before it: the broker counts them anew for each copy, and
 * a message that kills its workers would never be stopped. A retry and a redriven message start at none.
 */
export function noteDeliveries(message: ConsumeMessage): Readonly<Record<string, unknown>> {
  const count = (deliveryCount(message) ?? (message.fields.redelivered ? 1 : 0)) + carriedDeliveries(message)
  return count === 0 ? {} : { [headers.deliveries]: `${count} ${startedAs(message)}` }
}

export function carriedDeliveries(message: ConsumeMessage): number {
  const text: unknown = message.properties.headers?.[headers.deliveries]
  if (typeof text !== 'string') return 0
  const [count = '', ...as] = text.split(' ')
  return as.join(' ') === startedAs(message) && /^\d{1,9}$/.test(count) ? Number(count) : 0
}

function startedAs({ properties }: ConsumeMessage): string {
  const { [celeryHeaders.retries]: retries = 0, [headers.redriven]: redriven = 0 } = properties.headers ?? {}
  return `${retries}/${redriven}`
}

/**
 * The task id as the store knows it, of a message that is not decoded; empty for one without any that is text, or with
 * one of more than 255 bytes, which no copy of the message could carry as its `message_id`.
 */
export function taskIdOf({ properties }: ConsumeMessage): string {
  const id: unknown = properties.headers?.[celeryHeaders.id] ?? properties.messageId
  return isName(id) ? id : ''
}
