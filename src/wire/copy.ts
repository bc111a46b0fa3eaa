/** Fresh copies of a received message, for a retry or a dead letter. */
import type { ConsumeMessage } from 'amqplib'
import { headers, MAX_ERROR_TEXT } from './names.js'
import type { OutgoingMessage } from './outgoingMessage.js'

/**
 * Headers that a copy must not carry: the broker's record of earlier deaths, by which it detects cycles; its delivery
 * count; and `CC`/`BCC`, by which it would route the copy to more places.
 */
const NOT_COPIED = /^(x-death|x-first-death-.*|x-last-death-.*|x-delivery-count|x-acquired-count|CC|BCC)$/i

/**
 * The same content and properties, with `added` headers. Left out: `user_id`, which must be the publisher's own, and
 * `expiration`, which spoke of the queue it is taken from.
 */
export function copyOf(message: ConsumeMessage, id: string, added: Readonly<Record<string, unknown>>): OutgoingMessage {
  const { contentType, contentEncoding, priority, correlationId, replyTo, timestamp, type, appId } = message.properties
  const kept = Object.entries(message.properties.headers ?? {}).filter(([name]) => !NOT_COPIED.test(name))
  return {
    content: message.content,
    properties: {
      contentType,
      contentEncoding,
      priority,
      correlationId,
      replyTo,
      timestamp,
      type,
      appId,
      messageId: id,
      persistent: true,
      mandatory: true,
      headers: { ...Object.fromEntries(kept), ...added },
    },
  }
}

/** Where a message was first published: what Warren noted on an earlier copy, or where this delivery came from. */
export function originOf({ fields, properties }: ConsumeMessage): { exchange: string; routingKey: string } {
  const exchange: unknown = properties.headers?.[headers.exchange]
  const routingKey: unknown = properties.headers?.[headers.routingKey]
  if (typeof exchange === 'string' && typeof routingKey === 'string') return { exchange, routingKey }
  return { exchange: fields.exchange, routingKey: fields.routingKey }
}

/** Headers share one AMQP frame of 64 KiB and more with everything else, so error texts are cut. */
export const cutText = (text: string): string =>
  text.length <= MAX_ERROR_TEXT ? text : `${text.slice(0, MAX_ERROR_TEXT - 1)}…`
