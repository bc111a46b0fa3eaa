/** What runs a task: the handler, and what it learns of its attempt. */
import type { Logger } from './logger.js'
import type { Task } from './task.js'

/** What a handler learns of its attempt, beside the input. */
export interface AttemptContext {
  /** The task id. The same for every attempt and every redelivery: use it as an idempotency key. */
  readonly id: string
  /** The task's name. */
  readonly task: string
  /** 1 for the first attempt. A redelivery after a lost worker repeats the number: that attempt never ended. */
  readonly number: number
  /** Whether RabbitMQ handed the message out before: an earlier run may have done part of the work. */
  readonly redelivered: boolean
  /**
   * With a `limit` of concurrency: the number of the place that this attempt holds, greater than those of all attempts
   * that held one before. Write it beside what the limit protects, and refuse what comes with a smaller one: that is the late
   * word of a worker that stood still. Undefined for a task without such a limit.
   */
  readonly fence: number | undefined
  /**
   * Aborted when the attempt passes its time limit, loses its delivery (another worker will get it), or the worker's
   * grace period ends. The reason says which. Pass it on to whatever the handler awaits.
   */
  readonly signal: AbortSignal
  readonly log: Logger
  /** Stores a state PROGRESS with `value` for those who ask for the task's state meanwhile. */
  progress(value: unknown): Promise<void>
}

/** Takes the input as the task's schema parsed it, and returns what the output schema takes, as JSON can carry it. */
export type Handler<Input = unknown, Returned = unknown> = (
  input: Input,
  attempt: AttemptContext,
) => Promise<Returned> | Returned

/** One task of a batch. */
export interface BatchItem<Input> {
  readonly input: Input
  /** Its own attempt: its id, its number, its signal. */
  readonly attempt: AttemptContext
}

export interface BatchContext {
  /** Aborted when no item of the batch is wanted any more. Each item has a signal of its own. */
  readonly signal: AbortSignal
}

/**
 * Takes several tasks at once and returns how each ended, in the order of the items: its output, or an `Error` for one that
 * failed and is retried by its task's policy (a `Reject` for one that is not). Undefined: all succeeded without an output.
 * What it throws is how all of them failed.
 */
export type BatchHandler<Input = unknown, Returned = unknown> = (
  items: readonly BatchItem<Input>[],
  batch: BatchContext,
) => Promise<readonly (Returned | Error)[] | undefined> | readonly (Returned | Error)[] | undefined

/** The handler of a task by its type alone, for a module that must not load the task: `HandlerOf<typeof resize>`. */
export type HandlerOf<T> =
  T extends Task<infer _Input, infer Parsed, infer _Output, infer Returned> ? Handler<Parsed, Returned> : never
