/**
 * Every error that Warren raises. Each has a stable `code` to branch on, says whether the same call may succeed later
 * (`retryable`), and carries the error behind it as `cause`. Messages say what was tried, on what, and what to do now.
 * None of them contains a password: addresses are shown redacted.
 */
import { isError } from '../kinds.js'
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
  | 'NO_RESULT_STORE'
  | 'TASK_FAILED'
  | 'RESULT_TIMEOUT'
  | 'TIME_LIMIT'
  | 'DELIVERY_LIMIT'
  | 'ISOLATE_DIED'
  | 'NOT_CLONEABLE'
  | 'DEAD_LETTERS_UNREADABLE'
  | 'DELIVERY_LIMIT_NEAR'
  | 'ORIGIN_UNKNOWN'
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

/** The text of anything that was thrown. Always a string, whatever a stranger's code throws; never throws itself. */
export function textOf(thrown: unknown): string {
  try {
    if (isError(thrown) && thrown.message === '' && 'errors' in thrown && Array.isArray(thrown.errors)) {
      return thrown.errors.map(textOf).join(', ')
    }
    return String(isError(thrown) ? thrown.message || thrown.name : thrown)
  } catch {
    return `a ${typeof thrown} that has no text`
  }
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
