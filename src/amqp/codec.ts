/**
 * Reads and writes messages in place of amqplib's codec, which ends the connection for an unknown header type and supports at
 * most 64 KiB of headers (decision 0013). It replaces two methods of amqplib's connection object that are not part of its
 * types; everything else stays amqplib's.
 */
import type { ChannelModel } from 'amqplib'
import { textOf } from '../errors/index.js'
import { type Cursor, readShortString, readTable } from './fieldTable.js'
import { FrameWriter } from './frameWriter.js'

/** The only header of a message whose headers cannot be read, with the reason. Its consumer finds no task in it. */
export const UNDECODABLE_HEADER = 'x-warren-undecodable'

/** The frame of a message's properties, as amqplib's channels take it. */
interface PropertiesFrame {
  readonly id: number
  readonly channel: number
  readonly size: number
  readonly fields: object
}

/** The parts of amqplib's connection that are used. */
interface Internals {
  /** Received bytes that are not read yet. */
  rest: Buffer
  /** The server's limit, for sent frames. */
  readonly frameMax: number
  /** For received frames; 0 for no limit. */
  readonly maxFrameSize: number
  readonly channels: readonly ({ readonly buffer: { write(bytes: Buffer): boolean } } | null)[]
  sentSinceLastCheck: boolean
  recvFrame(): unknown
  sendMessage(
    channel: number,
    method: number,
    fields: Readonly<Record<string, unknown>>,
    propertiesClass: number,
    properties: Readonly<Record<string, unknown>>,
    content: Buffer,
  ): boolean
  sendContent(channel: number, content: Buffer): boolean
}

const METHOD_FRAME = 1
const HEADER_FRAME = 2
const BODY_FRAME = 3
const FRAME_END = 0xce
const FRAME_OVERHEAD = 8
const BASIC = 60
const PUBLISH = 40
/** Below this, a message is handed to the socket in one piece. */
const ONE_PIECE = 2_048

/** The fourteen properties, in the order in which the bits of the flags and the values come. */
const PROPERTIES = [
  ['contentType', 'text'],
  ['contentEncoding', 'text'],
  ['headers', 'table'],
  ['deliveryMode', 'octet'],
  ['priority', 'octet'],
  ['correlationId', 'text'],
  ['replyTo', 'text'],
  ['expiration', 'text'],
  ['messageId', 'text'],
  ['timestamp', 'timestamp'],
  ['type', 'text'],
  ['userId', 'text'],
  ['appId', 'text'],
  ['clusterId', 'text'],
] as const

/** Takes over the reading and writing of messages on this connection. Before any channel is opened. */
export function extendCodec(model: ChannelModel): void {
  const connection = model.connection as unknown as Internals
  const receive = connection.recvFrame
  connection.recvFrame = () => takePropertiesFrame(connection) ?? receive.call(connection)
  connection.sendMessage = (channel, _method, fields, _class, properties, content) =>
    send(connection, channel, fields, properties, content)
}

/** The next frame, if it is complete and contains properties. amqplib reads all others. */
function takePropertiesFrame(connection: Internals): PropertiesFrame | undefined {
  const { rest, maxFrameSize } = connection
  if (rest.length < FRAME_OVERHEAD || rest[0] !== HEADER_FRAME) return undefined
  const size = rest.readUInt32BE(3)
  const end = 7 + size
  // amqplib handles all other frames and malformed data.
  if (rest.length <= end || (maxFrameSize > 0 && size > maxFrameSize)) return undefined
  if (rest[end] !== FRAME_END || size < 14 || rest.readUInt16BE(7) !== BASIC) return undefined
  connection.rest = rest.subarray(end + 1)
  return {
    id: BASIC,
    channel: rest.readUInt16BE(1),
    size: Number(rest.readBigUInt64BE(11)),
    fields: readProperties(rest, 19, end),
  }
}

/** Reads the flags and properties between two offsets. Never throws: see `UNDECODABLE_HEADER`. */
export function readProperties(bytes: Buffer, start: number, end: number): Record<string, unknown> {
  const properties: Record<string, unknown> = {}
  const undecodable = (error: unknown): void => {
    properties.headers = { [UNDECODABLE_HEADER]: `The headers cannot be read: ${textOf(error)}` }
  }
  try {
    const flags = bytes.readUInt16BE(start)
    const cursor: Cursor = { bytes, at: start + 2 }
    let bit = 0x8000
    for (const [name, kind] of PROPERTIES) {
      if ((flags & bit) !== 0) {
        if (kind === 'text') properties[name] = readShortString(cursor, end)
        else if (kind === 'octet') properties[name] = bytes.readUInt8(take(cursor, 1, end))
        else if (kind === 'timestamp') properties[name] = instant(bytes.readBigUInt64BE(take(cursor, 8, end)))
        else {
          const at = take(cursor, 4, end)
          const length = bytes.readUInt32BE(at)
          take(cursor, length, end)
          try {
            properties.headers = readTable(bytes, at + 4, at + 4 + length)
          } catch (error) {
            undecodable(error)
          }
        }
      }
      bit >>= 1
    }
  } catch (error) {
    undecodable(error)
  }
  return properties
}

function take(cursor: Cursor, bytes: number, end: number): number {
  const { at } = cursor
  cursor.at += bytes
  if (cursor.at > end) throw new RangeError('a property is longer than its frame')
  return at
}

/** Seconds since 1970; a value beyond a number's range is tagged and written back unchanged. */
const instant = (value: bigint): unknown =>
  value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : { '!': 'timestamp', value: String(value) }

/** One for all messages: each is written in one turn and copied out. */
const writer = new FrameWriter()

/** Writes a `basic.publish`. Throws before anything is sent when it cannot be encoded. */
function send(
  connection: Internals,
  channel: number,
  fields: Readonly<Record<string, unknown>>,
  properties: Readonly<Record<string, unknown>>,
  content: Buffer,
): boolean {
  if (!Buffer.isBuffer(content)) throw new TypeError('content is not a buffer')
  const stream = connection.channels[channel]?.buffer
  if (stream === undefined) throw new Error(`channel ${channel} is not open`)
  writePublish(channel, fields)
  writeProperties(channel, properties, content.length, connection.frameMax)
  const whole = content.length > 0 && writer.at + content.length + FRAME_OVERHEAD < ONE_PIECE
  if (whole) writeBody(channel, content)
  connection.sentSinceLastCheck = true
  const accepted = stream.write(Buffer.from(writer.bytes.subarray(0, writer.at)))
  return whole || content.length === 0 ? accepted : connection.sendContent(channel, content)
}

function writePublish(channel: number, fields: Readonly<Record<string, unknown>>): void {
  writer.begin()
  const size = beginFrame(METHOD_FRAME, channel)
  writer.short(BASIC)
  writer.short(PUBLISH)
  writer.short(0)
  writer.shortString('exchange', fields.exchange)
  writer.shortString('routing key', fields.routingKey)
  writer.octet((fields.mandatory === true ? 1 : 0) | (fields.immediate === true ? 2 : 0))
  endFrame(size)
}

/** Appends the properties' frame. */
function writeProperties(
  channel: number,
  properties: Readonly<Record<string, unknown>>,
  contentLength: number,
  frameMax: number,
): void {
  // All of the frame but its last byte.
  writer.limitTo(frameMax - 1)
  const size = beginFrame(HEADER_FRAME, channel)
  writer.short(BASIC)
  writer.short(0)
  writer.long(Math.floor(contentLength / 2 ** 32))
  writer.long(contentLength >>> 0)
  const flagsAt = writer.at
  writer.short(0)
  let flags = 0
  let bit = 0x8000
  for (const [name, kind] of PROPERTIES) {
    const value = properties[name]
    if (value !== undefined && value !== null) {
      flags |= bit
      if (kind === 'text') writer.shortString(name, value)
      else if (kind === 'octet') writer.octet(wholeNumber(name, value, 255))
      else if (kind === 'table') writer.headers(value)
      else if (typeof value === 'object') writer.instant(name, (value as { value?: unknown }).value)
      else writer.instant(name, value)
    }
    bit >>= 1
  }
  writer.bytes.writeUInt16BE(flags, flagsAt)
  writer.limitTo(Number.POSITIVE_INFINITY)
  endFrame(size)
}

function writeBody(channel: number, content: Buffer): void {
  const size = beginFrame(BODY_FRAME, channel)
  writer.raw(content)
  endFrame(size)
}

/** Returns the offset of the frame's size. */
function beginFrame(type: number, channel: number): number {
  writer.octet(type)
  writer.short(channel)
  writer.long(0)
  return writer.at - 4
}

function endFrame(sizeAt: number): void {
  writer.bytes.writeUInt32BE(writer.at - sizeAt - 4, sizeAt)
  writer.octet(FRAME_END)
}

function wholeNumber(name: string, value: unknown, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return value
  throw new RangeError(`${name}: expected a whole number from 0 to ${most}`)
}
