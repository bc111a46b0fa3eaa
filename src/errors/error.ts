/**
 * Every error that Warren raises. Each has a stable `code` to branch on, a flag `retryable` (the same call may succeed later),
 * and the underlying error as `cause`. Messages say what was attempted, on what, and what to do. None of them contains a
 * password: addresses are shown redacted.
 */
import { inspect } from 'node:util'
import { isError, memberOf } from '../kinds.js'
import { identify } from './identity.js'

export type ErrorCode =
  | 'INVALID_OPTIONS'
  | 'INVALID_INPUT'
  | 'INVALID_OUTPUT'
  | 'INVALID_MESSAGE'
  | 'UNKNOWN_TASK'
  | 'PAYLOAD_TOO_LARGE'
  | 'UNROUTABLE'
  | 'UNCONFIRMED'
  | 'BROKER_UNREACHABLE'
  | 'ACCESS_REFUSED'
  | 'QUEUE_MISMATCH'
  | 'QUEUE_UNAVAILABLE'
  | 'STORE_UNREACHABLE'
  | 'STORE_REFUSES'
  | 'NO_RESULT_STORE'
  | 'TASK_FAILED'
  | 'RESULT_TIMEOUT'
  | 'RESULT_UNREADABLE'
  | 'UNIQUE_CONFLICT'
  | 'TIME_LIMIT'
  | 'CONSUMER_TIMEOUT'
  | 'CANCELLED'
  | 'PLACE_LOST'
  | 'DELIVERY_LIMIT'
  | 'ISOLATE_DIED'
  | 'NOT_CLONEABLE'
  | 'DEAD_LETTERS_UNREADABLE'
  | 'DELIVERY_LIMIT_NEAR'
  | 'ORIGIN_UNKNOWN'
  | 'DELAYS_MISSING'
  | 'UNKNOWN_SCHEDULE'
  | 'FLOW_FAILED'
  | 'FLOW_TOO_LARGE'
  | 'MISSING_PACKAGE'
  | 'DEAD_LETTER_EXCHANGE_MISSING'
  | 'CLOSED'

export class WarrenError extends Error {
  static {
    identify(WarrenError, 'WarrenError')
  }

  readonly code: ErrorCode
  /** Whether the same call, unchanged, may succeed later. */
  readonly retryable: boolean

  constructor(code: ErrorCode, message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? false
    this.name = new.target.name
  }
}

/** The longest texts that Warren keeps of a thrown value, in characters. */
const MAX_NAME = 200
const MAX_MESSAGE = 10_000
const MAX_TRACEBACK = 20_000
/** How many errors of an AggregateError are named, and how deep the search goes. */
const MAX_AGGREGATED = 10
const MAX_DEPTH = 3

/** A thrown value in the form kept by the store, the headers of a dead letter, and an isolate's message. */
interface ThrownDescription {
  readonly errorClass: string
  readonly message: string
  readonly traceback: string | undefined
}

/**
 * Describes anything that users' code throws: errors of another realm or another copy of a class, text, plain
 * objects, proxies, and errors whose properties throw when they are read. Never throws; every text has a limit.
 */
export function describeThrown(thrown: unknown): ThrownDescription {
  const traceback = isErrorLike(thrown) ? memberOf(thrown, 'stack') : undefined
  return {
    errorClass: shortened(classOf(thrown), MAX_NAME),
    message: textOf(thrown),
    traceback: typeof traceback === 'string' && traceback !== '' ? shortened(traceback, MAX_TRACEBACK) : undefined,
  }
}

/** The text of any thrown value. Always a string of limited length; never throws. */
export function textOf(thrown: unknown): string {
  try {
    return shortened(fullText(thrown, 0), MAX_MESSAGE)
  } catch {
    return `a ${typeof thrown} that has no text`
  }
}

function fullText(thrown: unknown, depth: number): string {
  if (!isErrorLike(thrown)) {
    // Not `String`: for a plain object it returns only "[object Object]", and it runs the object's own code.
    return typeof thrown === 'object' ? inspect(thrown, PLAIN) : String(thrown)
  }
  const message = memberOf(thrown, 'message')
  if (typeof message === 'string' && message !== '') return message
  const errors = memberOf(thrown, 'errors')
  if (Array.isArray(errors) && errors.length > 0 && depth < MAX_DEPTH) {
    return errors
      .slice(0, MAX_AGGREGATED)
      .map((each) => fullText(each, depth + 1))
      .join(', ')
  }
  return typeof message === 'string' || message === undefined
    ? classOf(thrown)
    : `${classOf(thrown)} whose message is no text: ${inspect(message, PLAIN)}`
}

/** Runs none of the object's own code: no getters, no proxy traps, no `inspect` methods. */
const PLAIN = { depth: 2, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 1_000, customInspect: false } as const

function classOf(thrown: unknown): string {
  if (!isErrorLike(thrown)) return 'Error'
  const name = memberOf(thrown, 'name')
  if (typeof name === 'string' && name !== '') return name
  const maker = memberOf(thrown, 'constructor')
  const own = typeof maker === 'function' ? memberOf(maker, 'name') : undefined
  return typeof own === 'string' && own !== '' ? own : 'Error'
}

/** Also accepts objects that only look like errors, as in some libraries. */
const isErrorLike = (thrown: unknown): thrown is object =>
  isError(thrown) || (typeof thrown === 'object' && typeof memberOf(thrown, 'message') === 'string')

/** At most `max` characters of a text, without splitting a surrogate pair, which Python and UTF-8 refuse. */
export function shortened(text: string, max: number): string {
  if (text.length <= max) return text
  return `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

/** The connection, producer or worker was closed by its owner. */
export class ClosedError extends WarrenError {
  static {
    identify(ClosedError, 'ClosedError')
  }

  constructor(what: string) {
    super('CLOSED', `${what} is closed`)
  }
}
