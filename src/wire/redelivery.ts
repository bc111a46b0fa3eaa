/** What RabbitMQ reports about earlier deliveries of a message. Pure. */
import type { ConsumeMessage } from 'amqplib'
import { isName } from './copy.js'
import { celeryHeaders } from './names.js'

/** Quorum queues count in this header how often the message was given back or lost with its consumer. */
const DELIVERY_COUNT = 'x-delivery-count'

/** How often a quorum queue handed the message out before; undefined on a classic queue, which does not count. */
export function deliveryCount({ properties }: ConsumeMessage): number | undefined {
  const count: unknown = properties.headers?.[DELIVERY_COUNT]
  return typeof count === 'number' ? count : undefined
}

/** Whether the message was handed out before, to any consumer. */
export const wasDelivered = (message: ConsumeMessage): boolean =>
  message.fields.redelivered || (deliveryCount(message) ?? 0) > 0

/**
 * Whether the message may be one that kills the workers it meets. One earlier delivery is nothing: a worker was scaled
 * down or a node restarted. A second one is a reason to run it alone, so that no other message dies with it. A classic
 * queue tells only that there was one.
 */
export function isSuspect(message: ConsumeMessage): boolean {
  const count = deliveryCount(message)
  return count === undefined ? message.fields.redelivered : count >= 2
}

/**
 * The task id as the store knows it, of a message that is not decoded; empty for one without any that is text, or with
 * one of more than 255 bytes, which no copy of the message could carry as its `message_id`.
 */
export function taskIdOf({ properties }: ConsumeMessage): string {
  const id: unknown = properties.headers?.[celeryHeaders.id] ?? properties.messageId
  return isName(id) ? id : ''
}
