/**
 * A pack on the wire: several tasks of one name in one AMQP message. Pure.
 *
 * Its content type is one that only Warren reads, and `x-warren-pack` says how many members it has. Its content has two
 * lines for each of them: the headers that the member would have as a message of its own, as JSON, but for those of the
 * pack itself; and its body, byte for byte. So each member can be made a message of its own again, and whoever reads one
 * member need not be able to read the others. JSON has no line break outside of the white space that nobody writes here.
 */
import type { ConsumeMessage } from 'amqplib'
import { MessageError, textOf } from '../errors/index.js'
import { describe, isTable } from './celeryValues.js'
import { isName } from './copy.js'
import type { Encoded } from './envelope.js'
import { celeryHeaders, headers } from './names.js'
import type { OutgoingMessage } from './outgoingMessage.js'

export const PACK_CONTENT_TYPE = 'application/vnd.warren.pack'

/** The most members that a pack may have. */
export const MAX_MEMBERS = 1_000

const CONTENT_TYPE = 'application/json'
const NEW_LINE = 0x0a

/** The headers line of a member. */
const headOf = ({ properties }: Encoded): string => {
  // Those are the pack's own.
  const { [celeryHeaders.lang]: _lang, [celeryHeaders.task]: _task, ...own } = properties.headers
  return JSON.stringify(own)
}

/** A member that is ready to go into a pack, with the bytes that it takes there. */
export interface PackedMember {
  readonly head: string
  readonly body: Buffer
  readonly bytes: number
}

export function packedMember(message: Encoded): PackedMember {
  const head = headOf(message)
  return { head, body: message.content, bytes: Buffer.byteLength(head) + message.content.length + 2 }
}

/** One message of all `members`. What is the same for all of them is taken from `like`, one of their messages. */
export function encodePack(id: string, like: Encoded, members: readonly PackedMember[]): OutgoingMessage {
  const content = Buffer.allocUnsafe(members.reduce((sum, { bytes }) => sum + bytes, 0))
  let at = 0
  for (const { head, body } of members) {
    at += content.write(head, at)
    content[at++] = NEW_LINE
    at += body.copy(content, at)
    content[at++] = NEW_LINE
  }
  const { [celeryHeaders.lang]: lang, [celeryHeaders.task]: task } = like.properties.headers
  return {
    content,
    properties: {
      ...like.properties,
      contentType: PACK_CONTENT_TYPE,
      correlationId: id,
      messageId: id,
      headers: { [celeryHeaders.lang]: lang, [celeryHeaders.task]: task, [headers.pack]: members.length },
    },
  }
}

export const isPack = ({ properties }: ConsumeMessage): boolean => properties.contentType === PACK_CONTENT_TYPE

/** How many members a message says that it has; undefined for one that is no pack. */
export function memberCount({ properties }: ConsumeMessage): number | undefined {
  const count: unknown = properties.contentType === PACK_CONTENT_TYPE ? properties.headers?.[headers.pack] : undefined
  return typeof count === 'number' && Number.isInteger(count) && count >= 1 && count <= MAX_MEMBERS ? count : undefined
}

/**
 * The members of a pack, each as the message that it would be by itself, delivered as the pack was. Throws
 * {@link MessageError} when they cannot be told apart; whether one of them can be read is another question.
 */
export function membersOf(pack: ConsumeMessage): ConsumeMessage[] {
  const { content, properties } = pack
  const count = memberCount(pack)
  if (count === undefined) {
    const given: unknown = properties.headers?.[headers.pack]
    throw new MessageError(
      `Expected the header ${headers.pack} of a pack to say how many tasks it has, 1 to ${MAX_MEMBERS}, got: ${describe(given)}`,
    )
  }
  const { [headers.pack]: _count, ...shared } = isTable(properties.headers) ? properties.headers : {}
  const members: ConsumeMessage[] = []
  let at = 0
  while (at < content.length) {
    const headEnd = content.indexOf(NEW_LINE, at)
    const bodyEnd = headEnd < 0 ? -1 : content.indexOf(NEW_LINE, headEnd + 1)
    if (bodyEnd < 0 || members.length === count) throw wrongCount(count)
    const own = ownHeaders(content.toString('utf8', at, headEnd), members.length)
    const given: unknown = own[celeryHeaders.id]
    // Another one could be no property of a message, and a copy of the member could not be published.
    const id = isName(given) ? given : undefined
    members.push({
      fields: pack.fields,
      content: content.subarray(headEnd + 1, bodyEnd),
      properties: {
        ...properties,
        contentType: CONTENT_TYPE,
        correlationId: id,
        messageId: id,
        headers: { ...shared, ...own },
      },
    })
    at = bodyEnd + 1
  }
  if (members.length !== count) throw wrongCount(count)
  return members
}

const wrongCount = (count: number): MessageError =>
  new MessageError(`Expected a pack of ${count} tasks to have two lines for each of them, and nothing else`)

function ownHeaders(line: string, index: number): Record<string, unknown> {
  let own: unknown
  try {
    own = JSON.parse(line)
  } catch (error) {
    throw new MessageError(`Expected the headers of task ${index} of a pack to be JSON: ${textOf(error)}`)
  }
  if (isTable(own)) return own
  throw new MessageError(`Expected the headers of task ${index} of a pack to be an object, got: ${describe(own)}`)
}
