/** AMQP's fields and properties as a stranger may write them: each type that RabbitMQ lets through, byte by byte. */

/** A field with its type's letter. Text is bytes here: what comes over a wire need not be UTF-8. */
export type Field =
  | { readonly type: 'S' | 'x'; readonly bytes: Uint8Array }
  | { readonly type: 't'; readonly value: boolean }
  | { readonly type: 'b' | 'B' | 's' | 'u' | 'I' | 'i' | 'f' | 'd'; readonly value: number }
  | { readonly type: 'l' | 'L' | 'T'; readonly value: bigint }
  | { readonly type: 'D'; readonly places: number; readonly digits: number }
  | { readonly type: 'V' }
  | { readonly type: 'A'; readonly items: readonly Field[] }
  | { readonly type: 'F'; readonly fields: Table }

export type Table = readonly (readonly [name: string, value: Field])[]

/** The fourteen properties but the headers, in the order of their bits. */
export interface Properties {
  readonly contentType?: string | undefined
  readonly contentEncoding?: string | undefined
  readonly deliveryMode?: number | undefined
  readonly priority?: number | undefined
  readonly correlationId?: string | undefined
  readonly replyTo?: string | undefined
  readonly expiration?: string | undefined
  readonly messageId?: string | undefined
  readonly timestamp?: bigint | undefined
  readonly type?: string | undefined
  readonly appId?: string | undefined
  readonly clusterId?: string | undefined
}

export const text = (value: string): Field => ({ type: 'S', bytes: Buffer.from(value) })

export function shortString(value: string): Buffer {
  // Cut, as a client of another language would not: what is too long for a property cannot be written at all.
  const bytes = Buffer.from(value).subarray(0, 255)
  return Buffer.concat([Buffer.of(bytes.length), bytes])
}

export function longString(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

export const encodeTable = (table: Table): Buffer =>
  longString(Buffer.concat(table.flatMap(([name, value]) => [shortString(name), encodeField(value)])))

const WRITE = {
  b: (bytes: Buffer, value: number) => bytes.writeInt8(value),
  B: (bytes: Buffer, value: number) => bytes.writeUInt8(value),
  s: (bytes: Buffer, value: number) => bytes.writeInt16BE(value),
  u: (bytes: Buffer, value: number) => bytes.writeUInt16BE(value),
  I: (bytes: Buffer, value: number) => bytes.writeInt32BE(value),
  i: (bytes: Buffer, value: number) => bytes.writeUInt32BE(value),
  f: (bytes: Buffer, value: number) => bytes.writeFloatBE(value),
  d: (bytes: Buffer, value: number) => bytes.writeDoubleBE(value),
} as const
const SIZES = { b: 1, B: 1, s: 2, u: 2, I: 4, i: 4, f: 4, d: 8 } as const

function encodeField(field: Field): Buffer {
  const letter = Buffer.from(field.type, 'latin1')
  switch (field.type) {
    case 'S':
    case 'x':
      return Buffer.concat([letter, longString(field.bytes)])
    case 't':
      return Buffer.concat([letter, Buffer.of(field.value ? 1 : 0)])
    case 'V':
      return letter
    case 'D': {
      const bytes = Buffer.alloc(5)
      bytes.writeUInt8(field.places)
      bytes.writeInt32BE(field.digits, 1)
      return Buffer.concat([letter, bytes])
    }
    case 'l':
    case 'L':
    case 'T': {
      const bytes = Buffer.alloc(8)
      if (field.type === 'T') bytes.writeBigUInt64BE(field.value)
      else bytes.writeBigInt64BE(field.value)
      return Buffer.concat([letter, bytes])
    }
    case 'A':
      return Buffer.concat([letter, longString(Buffer.concat(field.items.map(encodeField)))])
    case 'F':
      return Buffer.concat([letter, encodeTable(field.fields)])
    default: {
      const bytes = Buffer.alloc(SIZES[field.type])
      WRITE[field.type](bytes, field.value)
      return Buffer.concat([letter, bytes])
    }
  }
}

/** The payload of a content header frame: class, weight, size, flags and the properties that are there. */
export function encodeProperties(properties: Properties, headers: Table, contentLength: number): Buffer {
  const octet = (value: number | undefined) => (value === undefined ? undefined : Buffer.of(value))
  const short = (value: string | undefined) => (value === undefined ? undefined : shortString(value))
  const { timestamp } = properties
  const parts: (Buffer | undefined)[] = [
    short(properties.contentType),
    short(properties.contentEncoding),
    encodeTable(headers),
    octet(properties.deliveryMode),
    octet(properties.priority),
    short(properties.correlationId),
    short(properties.replyTo),
    short(properties.expiration),
    short(properties.messageId),
    timestamp === undefined ? undefined : bigUnsigned(timestamp),
    short(properties.type),
    undefined,
    short(properties.appId),
    short(properties.clusterId),
  ]
  const head = Buffer.alloc(14)
  head.writeUInt16BE(60)
  head.writeBigUInt64BE(BigInt(contentLength), 4)
  let flags = 0
  for (const [index, part] of parts.entries()) if (part !== undefined) flags |= 0x8000 >> index
  head.writeUInt16BE(flags, 12)
  return Buffer.concat([head, ...parts.filter((part) => part !== undefined)])
}

function bigUnsigned(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}
