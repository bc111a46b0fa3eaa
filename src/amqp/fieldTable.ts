/**
 * AMQP 0-9-1 field tables, which is what headers are, as RabbitMQ, py-amqp, and the Java and Go clients write them
 * (https://www.rabbitmq.com/amqp-0-9-1-errata#section_3; decision 0013). Reading never fails because of a type: values without
 * a JavaScript equivalent are tagged, `{ '!': type, value }`, in amqplib's notation. Every value can be written back unchanged
 * and printed as JSON.
 */

/** A value without a JavaScript equivalent. A received table with a key `!` is tagged `table`. */
export interface Tagged {
  readonly '!': string
  readonly value: unknown
}

/**
 * Deeper tables are refused in both directions: no client writes them, and functions that walk through tables are recursive.
 */
export const MAX_DEPTH = 100

/** Reads the fields between two offsets. Throws for an invalid table, and never reads beyond `end`. */
export function readTable(bytes: Buffer, start: number, end: number): Record<string, unknown> {
  const cursor = { bytes, at: start }
  if (end > bytes.length) throw new RangeError('a table is longer than its frame')
  return readFields(cursor, end, 0)
}

export interface Cursor {
  readonly bytes: Buffer
  at: number
}

function readFields(cursor: Cursor, end: number, depth: number): Record<string, unknown> {
  if (depth > MAX_DEPTH) throw new RangeError(`tables are nested more than ${MAX_DEPTH} deep`)
  const table: Record<string, unknown> = {}
  while (cursor.at < end) {
    const name = readShortString(cursor, end)
    const value = readValue(cursor, end, depth)
    if (name !== '__proto__') table[name] = value
    else Object.defineProperty(table, name, { value, enumerable: true, writable: true, configurable: true })
  }
  return table
}

/**
 * A name or a property. Invalid UTF-8 becomes question marks, which are never longer than the original, because a copy must fit
 * into the same 255 bytes.
 */
export function readShortString(cursor: Cursor, end: number): string {
  const start = cursor.at + 1
  const stop = advance(cursor, 1 + cursor.bytes.readUInt8(cursor.at), end)
  const text = cursor.bytes.toString('utf8', start, stop)
  return text.includes('\uFFFD') && !isText(cursor.bytes, start, stop, text) ? text.replaceAll('\uFFFD', '?') : text
}

function readValue(cursor: Cursor, end: number, depth: number): unknown {
  const { bytes } = cursor
  const tag = bytes.readUInt8(cursor.at++)
  const at = cursor.at
  switch (String.fromCharCode(tag)) {
    case 'S': {
      const stop = advanceLong(cursor, end)
      const text = bytes.toString('utf8', at + 4, stop)
      // py-amqp also writes bytes as a string.
      if (!text.includes('\uFFFD') || isText(bytes, at + 4, stop, text)) return text
      return tagged('string', bytes.subarray(at + 4, stop))
    }
    case 'I':
      advance(cursor, 4, end)
      return bytes.readInt32BE(at)
    case 't':
      advance(cursor, 1, end)
      return bytes[at] !== 0
    case 'V':
      return null
    case 'F':
      return asValue(readFields(cursor, advanceInto(cursor, end), depth + 1))
    case 'A':
      return readArray(cursor, advanceInto(cursor, end), depth + 1)
    case 'd':
      advance(cursor, 8, end)
      return bytes.readDoubleBE(at)
    // RabbitMQ and most clients write `l`, py-amqp `L`; both are signed.
    case 'l':
    case 'L': {
      advance(cursor, 8, end)
      const value = bytes.readBigInt64BE(at)
      return isSafe(value) ? Number(value) : tagged('int64', String(value))
    }
    case 'T': {
      advance(cursor, 8, end)
      const value = bytes.readBigUInt64BE(at)
      return tagged('timestamp', isSafe(value) ? Number(value) : String(value))
    }
    case 'D':
      advance(cursor, 5, end)
      return tagged('decimal', { places: bytes[at], digits: bytes.readInt32BE(at + 1) })
    case 'x':
      return bytes.subarray(at + 4, advanceLong(cursor, end))
    case 'f':
      advance(cursor, 4, end)
      return bytes.readFloatBE(at)
    case 'b':
      advance(cursor, 1, end)
      return bytes.readInt8(at)
    case 'B':
      advance(cursor, 1, end)
      return bytes.readUInt8(at)
    case 's':
    case 'U':
      advance(cursor, 2, end)
      return bytes.readInt16BE(at)
    case 'u':
      advance(cursor, 2, end)
      return bytes.readUInt16BE(at)
    case 'i':
      advance(cursor, 4, end)
      return bytes.readUInt32BE(at)
    default:
      throw new TypeError(`unknown field type 0x${tag.toString(16).padStart(2, '0')}`)
  }
}

function readArray(cursor: Cursor, end: number, depth: number): unknown[] {
  if (depth > MAX_DEPTH) throw new RangeError(`tables are nested more than ${MAX_DEPTH} deep`)
  const values: unknown[] = []
  while (cursor.at < end) values.push(readValue(cursor, end, depth))
  return values
}

/** Advances by this many bytes, and returns the new offset. */
function advance(cursor: Cursor, bytes: number, end: number): number {
  cursor.at += bytes
  if (cursor.at > end) throw new RangeError('a field is longer than its table')
  return cursor.at
}

/** Skips a value that is prefixed with its length in four bytes. */
const advanceLong = (cursor: Cursor, end: number): number =>
  advance(cursor, 4 + cursor.bytes.readUInt32BE(cursor.at), end)

/** Advances to the first field of a nested table, and returns the table's end. */
function advanceInto(cursor: Cursor, end: number): number {
  const stop = cursor.at + 4 + cursor.bytes.readUInt32BE(cursor.at)
  if (stop > end) throw new RangeError('a table is longer than the one that holds it')
  cursor.at += 4
  return stop
}

const tagged = (type: string, value: unknown): Tagged => ({ '!': type, value })
const asValue = (table: Record<string, unknown>): unknown =>
  Object.hasOwn(table, '!') ? tagged('table', table) : table
const isSafe = (value: bigint): boolean =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
/** Whether the replacement characters of `text` were in the bytes themselves. */
const isText = (bytes: Buffer, start: number, end: number, text: string): boolean =>
  Buffer.byteLength(text) === end - start && Buffer.from(text).equals(bytes.subarray(start, end))
