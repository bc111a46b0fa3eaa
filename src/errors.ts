/**
 * Every error that Warren raises. Each has a stable `code` to branch on, says whether the same call may succeed later
 * (`retryable`), and carries the error behind it as `cause`. Messages say what was tried, on what, and what to do now.
 * None of them contains a password: addresses are shown redacted.
 */

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

/** An option is missing, unknown, or of the wrong shape. Lists everything that is wrong, not only the first. */
export class OptionsError extends WarrenError {
  readonly problems: readonly string[]
  constructor(where: string, problems: readonly string[]) {
    super('INVALID_OPTIONS', `${where}: ${problems.join('; ')}`)
    this.problems = problems
  }
}

/** One thing that a schema found wrong with a value. */
export interface Issue {
  /** Where in the value, as `customer.address[0]`; empty for the value itself. */
  readonly path: string
  readonly message: string
}

const listIssues = (issues: readonly Issue[]): string =>
  issues.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ')

/** The input does not fit the task's schema. Raised by `send` before anything is published. */
export class InputError extends WarrenError {
  readonly task: string
  readonly issues: readonly Issue[]
  constructor(task: string, issues: readonly Issue[]) {
    super('INVALID_INPUT', `The input of ${task} does not fit its schema: ${listIssues(issues)}`)
    this.task = task
    this.issues = issues
  }
}

/** What the handler returned does not fit the task's output schema. Counts as a failed attempt. */
export class OutputError extends WarrenError {
  readonly task: string
  readonly issues: readonly Issue[]
  constructor(task: string, issues: readonly Issue[]) {
    super(
      'INVALID_OUTPUT',
      `The handler of ${task} returned a value that does not fit its output schema: ${listIssues(issues)}`,
    )
    this.task = task
    this.issues = issues
  }
}

/** A message on the wire is not a task message that Warren can run. It is dead-lettered, never retried. */
export class MessageError extends WarrenError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('INVALID_MESSAGE', message, options)
  }
}

/** The message names a task for which this worker has no handler. It is dead-lettered, never retried. */
export class UnknownTaskError extends WarrenError {
  constructor(task: string, known: readonly string[]) {
    super('UNKNOWN_TASK', `No handler for task ${task} in this worker; it handles: ${known.join(', ') || 'nothing'}`)
  }
}

/** The encoded message is larger than `maxMessageBytes`. Nothing was published. */
export class PayloadTooLargeError extends WarrenError {
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

/** The broker has no queue for the message. It was not kept anywhere. */
export class UnroutableError extends WarrenError {
  readonly exchange: string
  readonly routingKey: string
  constructor(exchange: string, routingKey: string, reason: string) {
    super(
      'UNROUTABLE',
      `No queue takes ${routingKey} from exchange ${exchange || '(default)'}: ${reason}. Start the service that handles it once, so that it declares its queue, or check the task's name.`,
      { retryable: true },
    )
    this.exchange = exchange
    this.routingKey = routingKey
  }
}

/** The broker did not confirm the message before its deadline. It may or may not be in the queue. */
export class UnconfirmedError extends WarrenError {
  readonly id: string
  /** Whether the message was ever written to a connection. If not, it is certainly in no queue. */
  readonly written: boolean
  constructor(id: string, deadlineMs: number, written: boolean, lastProblem: string, cause?: unknown) {
    super(
      'UNCONFIRMED',
      `Message ${id} was not confirmed within ${deadlineMs} ms (${lastProblem}). ${
        written
          ? 'It may or may not be in the queue: send it again under the same id, and a worker that finds it done does not run it twice.'
          : 'It was never written to the broker: sending it again is safe.'
      }`,
      { retryable: true, cause },
    )
    this.id = id
    this.written = written
  }
}

/** No broker address answered. */
export class BrokerUnreachableError extends WarrenError {
  constructor(addresses: readonly string[], cause: unknown) {
    super(
      'BROKER_UNREACHABLE',
      `No RabbitMQ node answered at ${addresses.join(', ')} (${textOf(cause)}). Is the cluster running? Locally: npm start.`,
      { retryable: true, cause },
    )
  }
}

/** The broker knows the user but refuses, or does not know it: wrong password, virtual host or permission. */
export class AccessRefusedError extends WarrenError {
  constructor(address: string, cause: unknown) {
    super(
      'ACCESS_REFUSED',
      `RabbitMQ at ${address} refused access: ${textOf(cause)}. Check the user, its password, the virtual host and its permissions.`,
      { cause },
    )
  }
}

/** The queue exists with other properties than the task asks for, most often another type. */
export class QueueMismatchError extends WarrenError {
  readonly queue: string
  constructor(queue: string, expected: string, found: string, cause: unknown) {
    super(
      'QUEUE_MISMATCH',
      `Queue ${queue} exists as ${found}, and the task asks for ${expected}. A queue's type cannot be changed in place: drain the queue and delete it, and Warren declares it anew as ${expected}; or set queue.type back to what exists.`,
      { cause },
    )
    this.queue = queue
  }
}

/** The node that holds the queue is down, or a quorum queue has no majority. Warren comes back to it by itself. */
export class QueueUnavailableError extends WarrenError {
  readonly queue: string
  /** The node that a classic queue lives on, where RabbitMQ names it. */
  readonly node: string | undefined
  constructor(queue: string, cause: unknown) {
    const node = /home node '([^']+)'/.exec(textOf(cause))?.[1]
    super(
      'QUEUE_UNAVAILABLE',
      node === undefined
        ? `Queue ${queue} cannot be used now: ${textOf(cause)}. It is tried again, and other queues go on`
        : `Queue ${queue} lives on node ${node} alone, and that is down: start the node. The queue is then taken up again by itself; until then other queues go on`,
      { retryable: true, cause },
    )
    this.queue = queue
    this.node = node
  }
}

/** The result store does not answer. */
export class StoreUnreachableError extends WarrenError {
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
  constructor() {
    super('NO_RESULT_STORE', 'Results need a store: pass results: "redis://…" to connect().')
  }
}

/** The task ended as FAILURE or REVOKED. `errorClass` and the text are those of the worker's error, in any language. */
export class TaskFailedError extends WarrenError {
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

/** The attempt passed its task's `timeoutMs`: the reason of its abort signal, and the error of the attempt. */
export class TimeLimitError extends WarrenError {
  constructor(task: string, timeoutMs: number) {
    super('TIME_LIMIT', `An attempt at ${task} passed its time limit of ${timeoutMs} ms`)
  }
}

/** A message was handed out again and again without an attempt ever ending: it may kill every worker it meets. */
export class DeliveryLimitError extends WarrenError {
  constructor(id: string, deliveries: number) {
    super(
      'DELIVERY_LIMIT',
      `Message ${id} was handed out again ${deliveries} times and no attempt ended: it may kill every worker it meets. Look at the workers' exits before it is sent again.`,
    )
  }
}

/** The thread or process that ran an isolated handler ended before the handler did. Counts as a failed attempt. */
export class IsolateDiedError extends WarrenError {
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
  constructor(what: string, cause: unknown) {
    super(
      'NOT_CLONEABLE',
      `Between a worker and its isolates go structured clones, and ${what} is none: ${textOf(cause)}. Keep to plain data, Date, Map, Set, and bytes.`,
      { cause },
    )
  }
}

/**
 * A dead-letter queue cannot be read, or not any further. Nothing is lost: what was taken and not settled is in the
 * queue again.
 */
export class DeadLettersUnreadableError extends WarrenError {
  readonly queue: string
  constructor(queue: string, cause: unknown) {
    super(
      'DEAD_LETTERS_UNREADABLE',
      `The dead letters in ${queue} cannot be read: ${textOf(cause)}. Nothing is lost, and the same call can be made again. The operator predefines this queue (warren definitions); this user needs to read it.`,
      { retryable: true, cause },
    )
    this.queue = queue
  }
}

/** Another look at this queue could bring RabbitMQ to drop messages: each look counts as a delivery. */
export class DeliveryLimitNearError extends WarrenError {
  readonly queue: string
  constructor(queue: string, id: string, deliveries: number, limit: number) {
    super(
      'DELIVERY_LIMIT_NEAR',
      `Message ${id} in ${queue} was handed out ${deliveries} times, and RabbitMQ may drop it after ${limit}: each look counts. Give the queue a policy with a large delivery-limit (warren definitions prints one), then say so with \`deliveryLimit\`.`,
    )
    this.queue = queue
  }
}

/** A dead letter does not say where it came from, so it cannot be sent back there. It stays where it is. */
export class OriginUnknownError extends WarrenError {
  constructor() {
    super(
      'ORIGIN_UNKNOWN',
      "The message has neither Warren's headers nor x-death, so where it came from is not known. Send its content again by hand, or purge it.",
    )
  }
}

/** The connection, producer or worker was closed by its owner. */
export class ClosedError extends WarrenError {
  constructor(what: string) {
    super('CLOSED', `${what} is closed`)
  }
}

/** Throw this in a handler to dead-letter the message at once, whatever attempts are left. */
export class Reject extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'Reject'
  }
}

/** The text of anything that was thrown. Always a string, whatever a stranger's code throws; never throws itself. */
export function textOf(thrown: unknown): string {
  try {
    if (thrown instanceof AggregateError && thrown.message === '') return thrown.errors.map(textOf).join(', ')
    return String(thrown instanceof Error ? thrown.message || thrown.name : thrown)
  } catch {
    return `a ${typeof thrown} that has no text`
  }
}
