/** Failures of attempts other than errors of their handlers. */
import { textOf, WarrenError } from './error.js'
import { identify } from './identity.js'

/** The attempt exceeded its task's `timeoutMs`: the reason of its abort signal, and the error of the attempt. */
export class TimeLimitError extends WarrenError {
  static {
    identify(TimeLimitError, 'TimeLimitError')
  }

  constructor(task: string, timeoutMs: number) {
    super('TIME_LIMIT', `An attempt at ${task} exceeded its time limit of ${timeoutMs} ms`)
  }
}

/**
 * RabbitMQ took a message back because it was not acknowledged within its queue's consumer timeout: the reason of the attempt's
 * abort signal. RabbitMQ delivers the message again.
 */
export class ConsumerTimeoutError extends WarrenError {
  static {
    identify(ConsumerTimeoutError, 'ConsumerTimeoutError')
  }

  constructor(queue: string, how: { readonly heldMs: number } | { readonly timeoutMs: number }) {
    const [which, after] =
      'heldMs' in how
        ? ['what was held too long, and cancelled the consumer that held it', `held for ${seconds(how.heldMs)}`]
        : ['what was held on a channel, and closed it', `${seconds(how.timeoutMs)}`]
    super(
      'CONSUMER_TIMEOUT',
      `RabbitMQ took back ${which}: the consumer timeout of ${queue} has passed (${after}). It delivers these messages again. Give the task a timeoutMs below that timeout, or raise the timeout (consumer-timeout in the queue's policy, consumer_timeout in RabbitMQ's configuration).`,
      { retryable: true },
    )
  }
}

const seconds = (ms: number): string => `${ms < 10_000 ? (ms / 1000).toFixed(1) : Math.round(ms / 1000)} s`

/** The task was cancelled: the reason of its abort signal. The attempt is neither retried nor dead-lettered. */
export class CancelledError extends WarrenError {
  static {
    identify(CancelledError, 'CancelledError')
  }

  readonly id: string
  constructor(id: string, by: string) {
    super('CANCELLED', `Task ${id} was cancelled (${by})`)
    this.id = id
  }
}

/**
 * An attempt lost its place of a concurrency limit: its process did not renew the lease in time, and another task took the
 * place. The reason of its abort signal. The task runs again later; this does not count as an attempt.
 */
export class PlaceLostError extends WarrenError {
  static {
    identify(PlaceLostError, 'PlaceLostError')
  }

  readonly id: string
  constructor(id: string, task: string, leaseMs: number) {
    super(
      'PLACE_LOST',
      `Task ${id} lost its place of the concurrency limit of ${task}: its worker did not renew the lease of ${leaseMs} ms. Keep handlers from blocking their process, isolate them, or raise limit.leaseMs.`,
      { retryable: true },
    )
    this.id = id
  }
}

/** A message was redelivered repeatedly without any attempt ending: it may kill every worker that runs it. */
export class DeliveryLimitError extends WarrenError {
  static {
    identify(DeliveryLimitError, 'DeliveryLimitError')
  }

  constructor(id: string, deliveries: number) {
    super(
      'DELIVERY_LIMIT',
      `Message ${id} was redelivered ${deliveries} times and no attempt ended: it may kill every worker that runs it. Find out why workers ended before you send it again.`,
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
  /** The signal that killed the process. An unexpected SIGKILL usually comes from the system's out-of-memory killer. */
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
      `The ${isolation} that ran ${task} ${id} died (${how}). Its output is in the worker's output; the next attempt gets a new ${isolation}.`,
      { retryable: true, cause: error },
    )
    this.isolation = isolation
    this.exitCode = exitCode
    this.signal = signal
  }
}

/** A value passed to or from an isolate contains something that cannot be copied: a function, a socket, a promise. */
export class NotCloneableError extends WarrenError {
  static {
    identify(NotCloneableError, 'NotCloneableError')
  }

  constructor(what: string, cause: unknown) {
    super(
      'NOT_CLONEABLE',
      `A worker and its isolates exchange structured clones, and ${what} cannot be cloned: ${textOf(cause)}. Use plain data, Date, Map, Set and bytes.`,
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
