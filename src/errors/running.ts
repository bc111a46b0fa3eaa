/** How attempts fail, besides what their handlers throw. */
import { textOf, WarrenError } from './error.js'
import { identify } from './identity.js'

/** The attempt passed its task's `timeoutMs`: the reason of its abort signal, and the error of the attempt. */
export class TimeLimitError extends WarrenError {
  static {
    identify(TimeLimitError, 'TimeLimitError')
  }

  constructor(task: string, timeoutMs: number) {
    super('TIME_LIMIT', `An attempt at ${task} passed its time limit of ${timeoutMs} ms`)
  }
}

/** A message was handed out again and again without an attempt ever ending: it may kill every worker it meets. */
export class DeliveryLimitError extends WarrenError {
  static {
    identify(DeliveryLimitError, 'DeliveryLimitError')
  }

  constructor(id: string, deliveries: number) {
    super(
      'DELIVERY_LIMIT',
      `Message ${id} was handed out again ${deliveries} times and no attempt ended: it may kill every worker it meets. Look at the workers' exits before it is sent again.`,
    )
  }
}

/** The thread or process that ran an isolated handler ended before the handler did. Counts as a failed attempt. */
export class IsolateDiedError extends WarrenError {
  static {
    identify(IsolateDiedError, 'IsolateDiedError')
  }

  readonly isolation: 'thread' | 'process'
  readonly exitCode: number | null
  /** What killed the process. SIGKILL that nobody sent is most often the system, out of memory. */
  readonly signal: string | null
  constructor(death: {
    isolation: 'thread' | 'process'
    task: string
    id: string
    exitCode: number | null
    signal: string | null
    error?: unknown
  }) {
    const { isolation, task, id, exitCode, signal, error } = death
    const how =
      error !== undefined
        ? textOf(error)
        : signal !== null
          ? `killed by ${signal}${signal === 'SIGKILL' ? ', as the system does when memory runs out' : ''}`
          : `it exited with code ${exitCode}`
    super(
      'ISOLATE_DIED',
      `The ${isolation} that ran ${task} ${id} died (${how}). What it printed is in the worker's output; the next attempt gets a new one.`,
      { retryable: true, cause: error },
    )
    this.isolation = isolation
    this.exitCode = exitCode
    this.signal = signal
  }
}

/** A value on its way into an isolate or out of it holds what cannot be copied there: a function, a socket, a promise. */
export class NotCloneableError extends WarrenError {
  static {
    identify(NotCloneableError, 'NotCloneableError')
  }

  constructor(what: string, cause: unknown) {
    super(
      'NOT_CLONEABLE',
      `Between a worker and its isolates go structured clones, and ${what} is none: ${textOf(cause)}. Keep to plain data, Date, Map, Set, and bytes.`,
      { cause },
    )
  }
}

/** Throw this in a handler to dead-letter the message at once, whatever attempts are left. */
export class Reject extends Error {
  static {
    identify(Reject, 'Reject')
  }

  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'Reject'
  }
}
