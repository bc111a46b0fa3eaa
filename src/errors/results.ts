/** What happens to those who ask for a result. */
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
      `The result store at ${address} does not answer (${textOf(cause)}). Is Valkey or Redis running? Locally: npm start.`,
      {
        retryable: true,
        cause,
      },
    )
  }
}

/** A result was asked for, and `connect()` was given no store. */
export class NoResultStoreError extends WarrenError {
  static {
    identify(NoResultStoreError, 'NoResultStoreError')
  }

  constructor() {
    super('NO_RESULT_STORE', 'Results need a store: pass results: "redis://…" to connect().')
  }
}

/** The task ended as FAILURE or REVOKED. `errorClass` and the text are those of the worker's error, in any language. */
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

/** No result within the time given. The task may still be waiting or running. */
export class ResultTimeoutError extends WarrenError {
  static {
    identify(ResultTimeoutError, 'ResultTimeoutError')
  }

  readonly id: string
  constructor(id: string, timeoutMs: number) {
    super(
      'RESULT_TIMEOUT',
      `No result of task ${id} within ${timeoutMs} ms. The task may still be waiting or running; ask again later.`,
      {
        retryable: true,
      },
    )
    this.id = id
  }
}
