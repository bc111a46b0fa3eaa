/**
 * Shared by `envelope.ts` (messages) and `resultFormat.ts` (results): writing times, reading JSON, and showing untrusted values
 * in errors.
 */
import { types } from 'node:util'
import { shortened } from '../errors/error.js'
import { MessageError, textOf } from '../errors/index.js'

/**
 * An instant as Celery writes it since 5.3: ISO 8601, six digits of fraction, `+00:00`.
 *
 * Six digits, since Celery up to 5.2 reads the fraction as a count of microseconds whatever its length (`.5` is 5 µs,
 * `.123` is 123 µs; celery/utils/iso8601.py). `+00:00` and not `Z`, since Python before 3.11 cannot read `Z` with
 * `datetime.fromisoformat`. Undefined for values that Python's `datetime` cannot represent: an invalid date, or a year outside
 * 1 to 9999.
 */
export function formatInstant(instant: Date): string | undefined {
  const ms = instant.getTime()
  if (!(ms >= FIRST_INSTANT && ms <= LAST_INSTANT)) return undefined
  return `${instant.toISOString().slice(0, -1)}000+00:00`
}

const FIRST_INSTANT = Date.parse('0001-01-01T00:00:00.000Z')
const LAST_INSTANT = Date.parse('9999-12-31T23:59:59.999Z')

/**
 * The formats of Python's `isoformat()`, with a zone, with `Z`, or naive; truncated to milliseconds, the precision of a Date.
 */
const INSTANT =
  /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?:Z|([+-]\d{2}:\d{2})(?::\d{2}(?:\.\d+)?)?)?$/

/** Reads an ISO 8601 instant. A naive one is UTC, Celery's default timezone. Undefined if it is invalid. */
export function parseInstant(text: string): Date | undefined {
  const [, day, minute, second = '00', fraction = '', zone = 'Z'] = INSTANT.exec(text) ?? []
  if (day === undefined || minute === undefined) return undefined
  const instant = new Date(`${day}T${minute}:${second}.${fraction.slice(0, 3).padEnd(3, '0')}${zone}`)
  return Number.isNaN(instant.getTime()) ? undefined : instant
}

/**
 * Parses JSON; `what` opens the {@link MessageError} that it throws: "The body of …". A number that JavaScript would change is
 * refused. With `typed`, kombu's encodings of Python types become plain values.
 */
export function parseJson(what: string, text: string, { typed = false } = {}): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
    if (typed && TYPED.test(text)) value = untyped(value)
  } catch (error) {
    throw new MessageError(
      `${what} is not JSON: ${textOf(error)} (Python's NaN and Infinity are not JSON either; send null or a string)`,
      { cause: error },
    )
  }
  const changed = MAY_CHANGE.test(text) ? changedNumber(text) : undefined
  if (changed === undefined) return value
  throw new MessageError(`${what} holds the number ${changed}, which JavaScript cannot hold: send it as a string`)
}

/** Only a number with 16 digits or a three-digit exponent can change. */
const MAY_CHANGE = /\d{16}|[eE][+-]?\d{3}/

/** The first number in a valid JSON text that `JSON.parse` changes. */
function changedNumber(text: string): string | undefined {
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = endOfString(text, at)
    } else if (code === MINUS || (code >= DIGIT_0 && code <= DIGIT_9)) {
      NUMBER.lastIndex = at
      const number = (NUMBER.exec(text) as RegExpExecArray)[0]
      if (isChanged(number)) return number.length > 60 ? `${number.slice(0, 60)}…` : number
      at += number.length
    } else {
      at++
    }
  }
  return undefined
}

const [QUOTE, BACKSLASH, MINUS, DIGIT_0, DIGIT_9] = [0x22, 0x5c, 0x2d, 0x30, 0x39]
const NUMBER = /-?\d+(\.\d+)?([eE][+-]?\d+)?/y

/** The end of the string that starts at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; ; at++) {
    const code = text.charCodeAt(at)
    if (code === BACKSLASH) at++
    else if (code === QUOTE) return at + 1
  }
}

/** An integer that changed, or a number outside the range of a double. Rounding of fractions is normal in JSON. */
function isChanged(text: string): boolean {
  const value = Number(text)
  if (!Number.isFinite(value)) return true
  if (/[.eE]/.test(text)) return value === 0 && /^-?[0.]*[1-9]/.test(text)
  // JavaScript's own text for a double reads back as the same double, although it may not be the exact value.
  return String(value) !== text && BigInt(text) !== BigInt(value)
}

/** kombu's encodings since 5.3 (kombu/utils/json.py) of types that JSON lacks. */
const TYPED = /"__type__"/

/** In place, so that a key `__proto__` stays a plain key. Throws `RangeError` for nesting that is too deep. */
function untyped(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  for (const [key, child] of Object.entries(value)) {
    if (typeof child === 'object') (value as Record<string, unknown>)[key] = untyped(child)
  }
  const { __type__: type, __value__: inner, ...rest } = value as Record<string, unknown>
  if (typeof type !== 'string' || inner === undefined || Object.keys(rest).length > 0) return value
  return plainValue(type, inner) ?? value
}

/** Undefined for a type that an application registered with kombu; the handler gets it unchanged. */
function plainValue(type: string, value: unknown): string | undefined {
  if (type === 'uuid') {
    const hex = isTable(value) ? value.hex : undefined
    const parts = typeof hex === 'string' ? /^(.{8})(.{4})(.{4})(.{4})(.{12})$/.exec(hex) : null
    return parts?.slice(1).join('-')
  }
  if (typeof value !== 'string') return undefined
  switch (type) {
    case 'datetime':
    case 'date':
    case 'time':
    case 'decimal':
    case 'base64':
      return value
    case 'bytes':
      // kombu sends bytes that are UTF-8 as text. Both forms are converted to base64, so that handlers do not need to
      // distinguish them.
      return Buffer.from(value).toString('base64')
    default:
      return undefined
  }
}

/** Whether a value is a JSON object or an AMQP table. */
export const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !types.isUint8Array(value)

/** A short text for any untrusted value. Bounded in length; never throws. */
export function describe(value: unknown): string {
  try {
    return kindOf(value)
  } catch {
    // Even `Array.isArray` throws for a revoked proxy.
    return 'an object that cannot be read'
  }
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (typeof value === 'string') {
    return value.length > 60
      ? `${JSON.stringify(value.slice(0, 60))}… (${value.length} characters)`
      : JSON.stringify(value)
  }
  if (types.isUint8Array(value)) return `${value.byteLength} bytes`
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object') return 'an object'
  return typeof value === 'function' ? 'a function' : shortened(String(value), 60)
}
