/** Creates copies of a received message, for a retry, a dead letter, or a redrive. */
import type { ConsumeMessage } from 'amqplib'
import { shortened } from '../errors/error.js'
import { beyondDelays, isDelayName, type Route } from './delayedKey.js'
import { headerBytes } from './headerSize.js'
import { celeryHeaders, celeryOrigin, headers, MAX_ERROR_TEXT } from './names.js'
import type { OutgoingMessage } from './outgoingMessage.js'

/**
 * Headers that a copy must not carry: the broker's record of earlier deaths, by which it detects cycles; its delivery
 * count; `CC`/`BCC`, by which it would route the copy to more places; and its route through the delay levels.
 */
const NOT_COPIED = /^(x-death|x-first-death-.*|x-last-death-.*|x-delivery-count|x-acquired-count|CC|BCC|delay-\d\d)$/i

/** The broker refuses a message with this `reply_to` on a channel that has no such consumer, and closes the channel. */
const DIRECT_REPLY = 'amq.rabbitmq.reply-to'

type Headers = Readonly<Record<string, unknown>>

/**
 * The same content and properties, with `added` headers. Omits `user_id`, which must be the publisher's own, and `expiration`,
 * which applied to the previous queue.
 */
export function copyOf(message: ConsumeMessage, id: string, added: Headers): OutgoingMessage {
  return copyWith(message, id, { ...Object.fromEntries(strangersHeaders(message)), ...added })
}

/** The maximum size of a slim copy's headers: well below a frame, which is 128 KiB by default. */
export const SLIM_HEADER_BYTES = 32 * 1024
/** The longest note about dropped headers, in characters, and the space reserved for it, in bytes. */
const MAX_DROPPED_TEXT = 1_000
const MAX_DROPPED_BYTES = 3 * MAX_DROPPED_TEXT

/** Headers that a worker reads. They are dropped last. */
const READ_BY_WORKERS: ReadonlySet<string> = new Set([...Object.values(celeryHeaders), ...Object.values(headers)])

/**
 * A copy whose headers fit into any AMQP frame, for when one with all of them cannot be encoded or is refused. Drops the
 * sender's largest headers, and those that cannot be written again, until the rest takes at most `maxBytes`; first those that
 * Warren does not read. All `added` headers stay. `x-warren-headers-dropped` lists the dropped ones.
 */
export function slimCopyOf(
  message: ConsumeMessage,
  id: string,
  added: Headers,
  maxBytes: number = SLIM_HEADER_BYTES,
): OutgoingMessage {
  const sized = strangersHeaders(message)
    .filter(([name]) => !Object.hasOwn(added, name) && name !== headers.headersDropped)
    .map(([name, value]) => ({ name, value, bytes: headerBytes(name, value), read: READ_BY_WORKERS.has(name) }))
    .sort((a, b) => Number(a.read) - Number(b.read) || b.bytes - a.bytes)
  const writable = sized.filter(({ bytes }) => Number.isFinite(bytes))
  const dropped = sized.filter(({ bytes }) => !Number.isFinite(bytes)).map(({ name }) => name)
  let total = MAX_DROPPED_BYTES
  for (const [name, value] of Object.entries(added)) total += headerBytes(name, value)
  for (const { bytes } of writable) total += bytes
  const kept: Record<string, unknown> = {}
  for (const { name, value, bytes } of writable) {
    if (total > maxBytes) {
      dropped.push(name)
      total -= bytes
    } else {
      kept[name] = value
    }
  }
  return copyWith(message, id, { ...kept, ...droppedNote(message, dropped), ...added })
}

/** Names the headers that this copy and earlier ones omit. */
function droppedNote({ properties }: ConsumeMessage, dropped: readonly string[]): Headers {
  const before: unknown = properties.headers?.[headers.headersDropped]
  const names = [...(typeof before === 'string' && before !== '' ? [before] : []), ...dropped]
  return names.length === 0 ? {} : { [headers.headersDropped]: shortened(names.join(', '), MAX_DROPPED_TEXT) }
}

const strangersHeaders = ({ properties }: ConsumeMessage): [string, unknown][] =>
  Object.entries(properties.headers ?? {}).filter(([name]) => !NOT_COPIED.test(name))

function copyWith({ content, properties }: ConsumeMessage, id: string, headers: Headers): OutgoingMessage {
  const { contentType, contentEncoding, priority, correlationId, replyTo, timestamp, type, appId } = properties
  return {
    content,
    properties: {
      contentType,
      contentEncoding,
      priority,
      correlationId,
      replyTo: replyTo === DIRECT_REPLY ? undefined : replyTo,
      timestamp,
      type,
      appId,
      messageId: id,
      persistent: true,
      mandatory: true,
      headers: { ...headers },
    },
  }
}

/** Where a message was first published: as recorded on an earlier copy, or the origin of this delivery. */
export function originOf({ fields, properties }: ConsumeMessage): Route {
  const exchange: unknown = properties.headers?.[headers.exchange]
  const routingKey: unknown = properties.headers?.[headers.routingKey]
  if (isName(exchange) && isName(routingKey)) return { exchange, routingKey }
  const { exchange: from, routingKey: key } = fields
  const delayed = isDelayName(from) ? beyondDelays(key) : celeryOrigin(from, key)
  return delayed ?? { exchange: from, routingKey: key }
}

/** AMQP names have at most 255 bytes. A longer one in a header would make publishing fail. */
const MAX_NAME_BYTES = 255

/** Whether an untrusted header can be the name of an exchange or a queue, a routing key, or a message's id. */
export const isName = (value: unknown): value is string =>
  typeof value === 'string' && Buffer.byteLength(value) <= MAX_NAME_BYTES

/** Headers share one AMQP frame with all other properties, so error texts are cut. */
export const cutText = (text: string): string => shortened(text, MAX_ERROR_TEXT)
