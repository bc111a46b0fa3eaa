/** Errors of a task's input, output or message. */
import { shortened, WarrenError } from './error.js'
import { identify } from './identity.js'

/** One problem that a schema found in a value. */
export interface Issue {
  /** Where in the value, as `customer.address[0]`; empty for the value itself. */
  readonly path: string
  readonly message: string
}

/** How many issues a message names, and its maximum length; `issues` has all of them. */
const NAMED_ISSUES = 20
const MAX_LIST = 4_000

function listIssues(issues: readonly Issue[]): string {
  const named = issues
    .slice(0, NAMED_ISSUES)
    .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
    .join('; ')
  const more = issues.length > NAMED_ISSUES ? `; and ${issues.length - NAMED_ISSUES} more` : ''
  return `${shortened(named, MAX_LIST)}${more}`
}

/** The input does not fit the task's schema. Raised by `send` before anything is published. */
export class InputError extends WarrenError {
  static {
    identify(InputError, 'InputError')
  }

  readonly task: string
  readonly issues: readonly Issue[]
  constructor(task: string, issues: readonly Issue[]) {
    super('INVALID_INPUT', `The input of ${task} does not fit its schema: ${listIssues(issues)}`)
    this.task = task
    this.issues = issues
  }
}

/**
 * The handler's return value does not fit the task's output schema, which counts as a failed attempt; or, with the task's `id`,
 * the stored result does not fit the caller's schema.
 */
export class OutputError extends WarrenError {
  static {
    identify(OutputError, 'OutputError')
  }

  readonly task: string
  readonly issues: readonly Issue[]
  constructor(task: string, issues: readonly Issue[], id?: string) {
    super(
      'INVALID_OUTPUT',
      id === undefined
        ? `The handler of ${task} returned a value that does not fit its output schema: ${listIssues(issues)}`
        : `The result of ${task} ${id} does not fit the output schema given here: ${listIssues(issues)}. Worker and sender need the same definition of the task.`,
    )
    this.task = task
    this.issues = issues
  }
}

/** Another task holds the unique key, and `send` was called with `onConflict: 'reject'`. Nothing was published. */
export class UniqueConflictError extends WarrenError {
  static {
    identify(UniqueConflictError, 'UniqueConflictError')
  }

  readonly task: string
  readonly key: string
  /** The id of the task that holds the key. */
  readonly holder: string
  constructor(task: string, key: string, holder: string) {
    super(
      'UNIQUE_CONFLICT',
      `Task ${holder} holds the unique key ${JSON.stringify(key)} of ${task}. Wait for its end, cancel it, or send with onConflict: 'existing' to get its handle.`,
      { retryable: true },
    )
    this.task = task
    this.key = key
    this.holder = holder
  }
}

/** A message on the wire is not a task message that Warren can run. It is dead-lettered, never retried. */
export class MessageError extends WarrenError {
  static {
    identify(MessageError, 'MessageError')
  }

  constructor(message: string, options: { cause?: unknown } = {}) {
    super('INVALID_MESSAGE', message, options)
  }
}

/** The message names a task for which this worker has no handler. It is dead-lettered, never retried. */
export class UnknownTaskError extends WarrenError {
  static {
    identify(UnknownTaskError, 'UnknownTaskError')
  }

  constructor(task: string, expected: string, queue: string) {
    super(
      'UNKNOWN_TASK',
      `Expected a message of task ${expected} in queue ${queue}, got one of ${task}. Check the exchange and the routing key with which it was sent, or the bindings of the queue.`,
    )
  }
}

/** The encoded message is larger than `maxMessageBytes`. Nothing was published. */
export class PayloadTooLargeError extends WarrenError {
  static {
    identify(PayloadTooLargeError, 'PayloadTooLargeError')
  }

  readonly bytes: number
  readonly maxBytes: number
  constructor(task: string, bytes: number, maxBytes: number) {
    super(
      'PAYLOAD_TOO_LARGE',
      `A message of ${task} takes ${bytes} bytes, more than maxMessageBytes (${maxBytes}). Keep the data in a store and send a reference to it, or raise maxMessageBytes in connect().`,
    )
    this.bytes = bytes
    this.maxBytes = maxBytes
  }
}
