/**
 * Writes headers and properties into one frame: values that `fieldTable.ts` read, and a caller's values in amqplib's notation.
 * A value without an AMQP type throws an error that names the header, before anything is sent.
 */
import { types } from 'node:util'
import { MAX_DEPTH, type Tagged } from './fieldTable.js'

const MAX_NAME_BYTES = 255
const SHORT_TEXT = 64

/** A growing buffer, up to the size of one frame. */
export class FrameWriter {
  bytes = Buffer.allocUnsafeSlow(16_384)
  at = 0
  #limit = Number.POSITIVE_INFINITY
  #limitBytes = 0

  /** Starts again, without a limit. Discards everything written before. */
  begin(): void {
    this.at = 0
    this.#limit = Number.POSITIVE_INFINITY
  }

  /** Sets how many bytes may be written next. */
  limitTo(bytes: number): void {
    this.#limit = this.at + bytes
    this.#limitBytes = bytes
  }

  /** Makes room for `count` more bytes. Throws `RangeError` beyond the limit. */
  need(count: number): void {
    const end = this.at + count
    if (end > this.#limit) {
      throw new RangeError(
        `its headers and properties are too large: together at most ${this.#limitBytes} bytes (the broker's frame_max)`,
      )
    }
    if (end > this.bytes.length) this.#grow(end)
  }

  #grow(end: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(end, this.bytes.length * 2))
    this.bytes.copy(larger, 0, 0, this.at)
    this.bytes = larger
  }

  octet(value: number): void {
    this.need(1)
    this.bytes[this.at++] = value
  }

  short(value: number): void {
    this.need(2)
    this.at = this.bytes.writeUInt16BE(value, this.at)
  }

  long(value: number): void {
    this.need(4)
    this.at = this.bytes.writeUInt32BE(value, this.at)
  }

  raw(bytes: Uint8Array): void {
    this.need(bytes.length)
    this.bytes.set(bytes, this.at)
    this.at += bytes.length
  }

  shortString(what: string, text: unknown): void {
    if (typeof text !== 'string') throw new TypeError(`${what}: expected text, got: ${kindOf(text)}`)
    // A UTF-16 unit takes at most three bytes.
    if (text.length * 3 > MAX_NAME_BYTES && Buffer.byteLength(text) > MAX_NAME_BYTES) {
      throw new RangeError(`${what}: expected at most ${MAX_NAME_BYTES} bytes, got ${Buffer.byteLength(text)}`)
    }
    const length = this.#write(text, this.at + 1)
    this.need(1 + length)
    this.bytes[this.at] = length
    this.at += 1 + length
  }

  /** Writes text without advancing, and returns its length in bytes. The caller checks the limit. */
  #write(text: string, at: number): number {
    const { length } = text
    // A UTF-16 unit takes at most three bytes.
    const end = at + (length > SHORT_TEXT ? Buffer.byteLength(text) : length * 3)
    if (end > this.bytes.length) this.#grow(end)
    // Most strings are short and ASCII, where calling Node costs more than this loop.
    if (length > SHORT_TEXT) return this.bytes.write(text, at)
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index)
      if (code > 0x7f) return this.bytes.write(text, at)
      this.bytes[at + index] = code
    }
    return length
  }

  headers(fields: unknown): void {
    if (typeof fields !== 'object' || fields === null) {
      throw new TypeError(`headers: expected an object, got: ${kindOf(fields)}`)
    }
    this.#table(fields, '', 0)
  }

  /** An unsigned 64-bit property. */
  instant(what: string, value: unknown): void {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) {
      this.need(8)
      this.at = writeWhole(this.bytes, value, this.at)
      return
    }
    const whole = wholeOf(what, value)
    if (BigInt.asUintN(64, whole) !== whole) throw new RangeError(`${what}: expected an unsigned 64-bit integer`)
    this.need(8)
    this.at = this.bytes.writeBigUInt64BE(whole, this.at)
  }

  #table(fields: object, header: string, depth: number): void {
    if (depth > MAX_DEPTH) throw new RangeError(`header ${header}: nested more than ${MAX_DEPTH} deep, or with a cycle`)
    const start = this.at
    this.long(0)
    // Including inherited ones: amqplib passes an object whose prototype is the headers.
    for (const name in fields) {
      const value = (fields as Record<string, unknown>)[name]
      if (value === undefined) continue
      this.shortString('the name of a header', name)
      this.#value(value, depth === 0 ? name : header, depth)
    }
    this.bytes.writeUInt32BE(this.at - start - 4, start)
  }

  #value(value: unknown, header: string, depth: number): void {
    if (typeof value === 'string') this.#text(value)
    else if (typeof value === 'number') this.#number(value, header)
    else if (typeof value === 'boolean') this.#fixed('t', value ? 1 : 0)
    else if (typeof value === 'bigint') this.#wide('l', value, header)
    else if (value === null) this.#open('V', 0)
    else if (Array.isArray(value)) this.#array(value, header, depth + 1)
    else if (types.isUint8Array(value)) this.#binary('x', value)
    else if (typeof value !== 'object') throw new TypeError(`header ${header}: AMQP has no type for ${kindOf(value)}`)
    else if (Object.hasOwn(value, '!')) this.#tagged(value as Tagged, header, depth)
    else this.#nested(value, header, depth)
  }

  #text(value: string): void {
    const length = this.#write(value, this.at + 5)
    this.#open('S', 4 + length)
    this.long(length)
    this.at += length
  }

  #number(value: number, header: string): void {
    // RabbitMQ closes the connection of a client that sends one (541).
    if (!Number.isFinite(value)) throw new RangeError(`header ${header}: RabbitMQ does not accept ${value}`)
    // Integers are always written as `I` or `l`: py-amqp misreads the shorter types that amqplib writes.
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) this.#fixed('d', value)
    else this.#fixed(value >= -(2 ** 31) && value < 2 ** 31 ? 'I' : 'l', value)
  }

  #nested(fields: object, header: string, depth: number): void {
    this.#open('F', 4)
    this.#table(fields, header, depth + 1)
  }

  #tagged({ '!': type, value }: Tagged, header: string, depth: number): void {
    const fixed = FIXED.get(type)
    if (fixed !== undefined) this.#fixed(fixed, inRange(fixed, value, header))
    else if (type === 'table' && typeof value === 'object' && value !== null) this.#nested(value, header, depth)
    else if (type === 'string' && types.isUint8Array(value)) this.#binary('S', value)
    else if (type === 'string') this.#text(String(value))
    else if (type === 'long' || type === 'int64') this.#wide('l', value, header)
    else if (type === 'timestamp') this.#wide('T', value, header)
    else if (type === 'decimal') this.#decimal(value, header)
    else throw new TypeError(`header ${header}: there is no AMQP type for this: { '!': ${String(type)} }`)
  }

  #decimal(value: unknown, header: string): void {
    const { places, digits } = (value ?? {}) as { places?: unknown; digits?: unknown }
    const placed = inRange('B', places, header)
    // Most clients treat the digits as signed, amqplib does not.
    const figures =
      typeof digits === 'number' && digits < 0 ? inRange('I', digits, header) : inRange('i', digits, header)
    this.#open('D', 5)
    this.octet(placed)
    this.long(figures >>> 0)
  }

  #array(values: readonly unknown[], header: string, depth: number): void {
    if (depth > MAX_DEPTH) throw new RangeError(`header ${header}: nested more than ${MAX_DEPTH} deep, or with a cycle`)
    this.#open('A', 4)
    const start = this.at
    this.long(0)
    for (const value of values) this.#value(value === undefined ? null : value, header, depth)
    this.bytes.writeUInt32BE(this.at - start - 4, start)
  }

  #open(tag: string, bytes: number): void {
    this.need(1 + bytes)
    this.bytes[this.at++] = tag.charCodeAt(0)
  }

  #binary(tag: 'x' | 'S', value: Uint8Array): void {
    this.#open(tag, 4 + value.length)
    this.long(value.length)
    this.raw(value)
  }

  #fixed(tag: FixedTag, value: number): void {
    this.#open(tag, 8)
    this.at = WRITE[tag](this.bytes, value, this.at)
  }

  #wide(tag: 'l' | 'T', value: unknown, header: string): void {
    const whole = wholeOf(`header ${header}`, value)
    const fits = tag === 'l' ? BigInt.asIntN(64, whole) === whole : BigInt.asUintN(64, whole) === whole
    if (!fits) throw new RangeError(`header ${header}: expected a number of 64 bits, got: ${whole}`)
    this.#open(tag, 8)
    this.at = this.bytes.writeBigUInt64BE(BigInt.asUintN(64, whole), this.at)
  }
}

type FixedTag = 'b' | 'B' | 's' | 'u' | 'I' | 'i' | 'l' | 'f' | 'd' | 't'

/** A safe integer as 64 bits: a BigInt for each would be slow. */
function writeWhole(bytes: Buffer, value: number, at: number): number {
  bytes.writeInt32BE(Math.floor(value / 2 ** 32), at)
  return bytes.writeUInt32BE(value >>> 0, at + 4)
}

const WRITE: Readonly<Record<FixedTag, (bytes: Buffer, value: number, at: number) => number>> = {
  b: (bytes, value, at) => bytes.writeInt8(value, at),
  B: (bytes, value, at) => bytes.writeUInt8(value, at),
  s: (bytes, value, at) => bytes.writeInt16BE(value, at),
  u: (bytes, value, at) => bytes.writeUInt16BE(value, at),
  I: (bytes, value, at) => bytes.writeInt32BE(value, at),
  i: (bytes, value, at) => bytes.writeUInt32BE(value, at),
  l: (bytes, value, at) => writeWhole(bytes, value, at),
  f: (bytes, value, at) => bytes.writeFloatBE(value, at),
  d: (bytes, value, at) => bytes.writeDoubleBE(value, at),
  t: (bytes, value, at) => bytes.writeUInt8(value, at),
}

/** amqplib's names for explicit types. */
const FIXED: ReadonlyMap<unknown, FixedTag> = new Map([
  ['byte', 'b'],
  ['int8', 'b'],
  ['unsignedbyte', 'B'],
  ['uint8', 'B'],
  ['short', 's'],
  ['int16', 's'],
  ['unsignedshort', 'u'],
  ['uint16', 'u'],
  ['int', 'I'],
  ['int32', 'I'],
  ['unsignedint', 'i'],
  ['uint32', 'i'],
  ['float', 'f'],
  ['double', 'd'],
  ['float64', 'd'],
] as const)

const RANGES: Readonly<Partial<Record<FixedTag, readonly [number, number]>>> = {
  b: [-128, 127],
  B: [0, 255],
  s: [-(2 ** 15), 2 ** 15 - 1],
  u: [0, 2 ** 16 - 1],
  I: [-(2 ** 31), 2 ** 31 - 1],
  i: [0, 2 ** 32 - 1],
}

const kindOf = (value: unknown): string =>
  value === null ? 'null' : typeof value === 'number' ? String(value) : `a ${typeof value}`

function inRange(tag: FixedTag, value: unknown, header: string): number {
  const range = RANGES[tag]
  const [least, most] = range ?? [-Number.MAX_VALUE, Number.MAX_VALUE]
  const whole = range === undefined || Number.isInteger(value)
  if (typeof value === 'number' && whole && value >= least && value <= most) return value
  throw new RangeError(`header ${header}: expected a number from ${least} to ${most}, got: ${kindOf(value)}`)
}

function wholeOf(what: string, value: unknown): bigint {
  try {
    return BigInt(value as bigint)
  } catch {
    throw new TypeError(`${what}: expected a whole number of 64 bits, got: ${kindOf(value)}`)
  }
}
