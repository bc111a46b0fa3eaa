/** Errors of results. */
import { isError } from '../kinds.js'
import { textOf, WarrenError } from './error.js'
import { identify } from './identity.js'

/** The result store does not answer. */
export class StoreUnreachableError extends WarrenError {
  static {
    identify(StoreUnreachableError, 'StoreUnreachableError')
  }

  constructor(address: string, cause: unknown) {
    super(
      'STORE_UNREACHABLE',
      `The result store at ${address} does not answer (${textOf(cause)}). Check that Valkey or Redis runs there and can be reached from here.`,
      { retryable: true, cause: withoutCommand(cause) },
    )
  }
}

/** The result store answers but refuses to store: its user lacks a right, or it is full, a replica, or a cluster. */
export class StoreRefusesError extends WarrenError {
  static {
    identify(StoreRefusesError, 'StoreRefusesError')
  }

  constructor(address: string, refusal: { readonly text: string; readonly retryable: boolean }, cause: unknown) {
    super('STORE_REFUSES', `The result store at ${address} answers, but does not store results: ${refusal.text}`, {
      retryable: refusal.retryable,
      cause: withoutCommand(cause),
    })
  }
}

/** The client adds the failed command and its arguments to an error: for AUTH, a password. */
const withoutCommand = (cause: unknown): unknown =>
  isError(cause) && 'command' in cause ? new Error(textOf(cause)) : cause

/** A result was requested, but `connect()` got no store. */
export class NoResultStoreError extends WarrenError {
  static {
    identify(NoResultStoreError, 'NoResultStoreError')
  }

  constructor() {
    super('NO_RESULT_STORE', 'Results need a store: pass results: "redis://…" to connect().')
  }
}

/** The task ended as FAILURE or REVOKED. `errorClass` and the message come from the worker's error, in any language. */
export class TaskFailedError extends WarrenError {
  static {
    identify(TaskFailedError, 'TaskFailedError')
  }

  readonly id: string
  readonly errorClass: string
  readonly traceback: string | undefined
  constructor(id: string, errorClass: string, message: string, traceback: string | undefined) {
    super('TASK_FAILED', `Task ${id} failed with ${errorClass}: ${message}`)
    this.id = id
    this.errorClass = errorClass
    this.traceback = traceback
  }
}

/** No result within the given time. The task may still be waiting or running, or the store is unavailable. */
export class ResultTimeoutError extends WarrenError {
  static {
    identify(ResultTimeoutError, 'ResultTimeoutError')
  }

  readonly id: string
  constructor(id: string, timeoutMs: number, storeProblem?: string, { ended = false } = {}) {
    const why = ended
      ? 'The task has ended, but its output schema has not answered: check what the schema waits for.'
      : storeProblem === undefined
        ? 'The task may still be waiting or running; ask again later.'
        : `The result store did not answer (${storeProblem}), so the task may have ended; ask again when the store answers.`
    super('RESULT_TIMEOUT', `No result of task ${id} within ${timeoutMs} ms. ${why}`, { retryable: true })
    this.id = id
  }
}

/** The task has ended, and its result cannot be read: it holds Python's NaN, or an integer beyond 2^53. */
export class ResultUnreadableError extends WarrenError {
  static {
    identify(ResultUnreadableError, 'ResultUnreadableError')
  }

  readonly id: string
  constructor(id: string, cause: unknown) {
    super(
      'RESULT_UNREADABLE',
      `The result of task ${id} is stored but cannot be read: ${textOf(cause)}. Change the value that its worker returns.`,
      { cause },
    )
    this.id = id
  }
}
