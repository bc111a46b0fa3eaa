/**
 * What the two halves of Celery's wire share, `envelope.ts` (messages) and `resultFormat.ts` (results): how an instant
 * is written, how JSON is read, and how a stranger's value is shown in an error.
 */
import { types } from 'node:util'
import { MessageError, textOf } from '../errors/index.js'

/**
 * An instant as Celery writes it since 5.3: ISO 8601, six digits of fraction, `+00:00`.
 *
 * Six digits, since Celery up to 5.2 reads the fraction as a count of microseconds whatever its length (`.5` is 5 µs,
 * `.123` is 123 µs; celery/utils/iso8601.py). `+00:00` and not `Z`, since Python before 3.11 cannot read `Z` with
 * `datetime.fromisoformat`. Undefined for what Python's `datetime` cannot hold: an invalid date, or a year outside
 * 1 to 9999.
 */
export function formatInstant(instant: Date): string | undefined {
  const ms = instant.getTime()
  if (!(ms >= FIRST_INSTANT && ms <= LAST_INSTANT)) return undefined
  return `${instant.toISOString().slice(0, -1)}000+00:00`
}

const FIRST_INSTANT = Date.parse('0001-01-01T00:00:00.000Z')
const LAST_INSTANT = Date.parse('9999-12-31T23:59:59.999Z')

/** What Python's `isoformat()` writes, with a zone, with `Z`, or naive; cut to milliseconds, all that a Date holds. */
const INSTANT =
  /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?:Z|([+-]\d{2}:\d{2})(?::\d{2}(?:\.\d+)?)?)?$/

/** Reads an ISO 8601 instant. A naive one is UTC, Celery's default timezone. Undefined when it is no instant. */
export function parseInstant(text: string): Date | undefined {
  const [, day, minute, second = '00', fraction = '', zone = 'Z'] = INSTANT.exec(text) ?? []
  if (day === undefined || minute === undefined) return undefined
  const instant = new Date(`${day}T${minute}:${second}.${fraction.slice(0, 3).padEnd(3, '0')}${zone}`)
  return Number.isNaN(instant.getTime()) ? undefined : instant
}

/** Parses JSON; `what` opens the {@link MessageError} that it throws: "The body of …". */
export function parseJson(what: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new MessageError(
      `${what} is not JSON: ${textOf(error)} (Python's NaN and Infinity are not JSON either; send null or a string)`,
      { cause: error },
    )
  }
}

/** Whether a value is a JSON object or an AMQP table. */
export const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !types.isUint8Array(value)

/** A short text for any value that a stranger may have sent. Bounded in length, and throws for none of them. */
export function describe(value: unknown): string {
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
  return typeof value === 'function' ? 'a function' : String(value)
}
