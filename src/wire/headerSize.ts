/** The size of a header on the wire, in bytes, without writing it. Sources: AMQP 0-9-1, 4.2.5.5, and RabbitMQ's errata. */
import { types } from 'node:util'
import { isTable } from './celeryValues.js'

/** A value nested deeper than this is not written again: neither reading nor writing it can count on the stack. */
const MAX_DEPTH = 64
const NUMBER_BYTES = 9
const DECIMAL_BYTES = 6

/** Infinity for what the client cannot write: a value of no AMQP type, one nested too deep, a name over 255 bytes. */
export function headerBytes(name: string, value: unknown): number {
  return value === undefined ? 0 : nameBytes(name) + valueBytes(value, 0)
}

function nameBytes(name: string): number {
  const bytes = Buffer.byteLength(name)
  return bytes <= 255 ? 1 + bytes : Number.POSITIVE_INFINITY
}

function valueBytes(value: unknown, depth: number): number {
  switch (typeof value) {
    case 'string':
      return 5 + Buffer.byteLength(value)
    case 'number':
      // RabbitMQ closes the connection of a client that sends any other.
      return Number.isFinite(value) ? NUMBER_BYTES : Number.POSITIVE_INFINITY
    case 'bigint':
      return BigInt.asIntN(64, value) === value ? NUMBER_BYTES : Number.POSITIVE_INFINITY
    case 'boolean':
      return 2
    case 'object':
      return value === null ? 1 : compoundBytes(value, depth)
    default:
      return Number.POSITIVE_INFINITY
  }
}

function compoundBytes(value: object, depth: number): number {
  if (types.isUint8Array(value)) return 5 + value.byteLength
  if (depth >= MAX_DEPTH) return Number.POSITIVE_INFINITY
  let bytes = 5
  if (Array.isArray(value)) {
    for (const each of value) bytes += valueBytes(each, depth + 1)
    return bytes
  }
  if (Object.hasOwn(value, '!')) return taggedBytes(value as { '!': unknown; value?: unknown })
  for (const [name, each] of Object.entries(value)) {
    if (each !== undefined) bytes += nameBytes(name) + valueBytes(each, depth + 1)
  }
  return bytes
}

/**
 * The client reads an instant as `{ '!': 'timestamp', value }` and a decimal likewise, and writes them so. A stranger may
 * send a table that looks like that and is none.
 */
function taggedBytes({ '!': tag, value }: { '!': unknown; value?: unknown }): number {
  if (tag === 'timestamp') {
    return typeof value === 'bigint' || (Number.isSafeInteger(value) && (value as number) >= 0)
      ? NUMBER_BYTES
      : Number.POSITIVE_INFINITY
  }
  if (tag !== 'decimal' || !isTable(value)) return Number.POSITIVE_INFINITY
  const { places, digits } = value
  return isUnsigned(places, 0xff) && isUnsigned(digits, 0xffffffff) ? DECIMAL_BYTES : Number.POSITIVE_INFINITY
}

const isUnsigned = (value: unknown, max: number): boolean =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max
