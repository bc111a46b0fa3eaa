/** A task's handler, and the information that it gets about its attempt. */
import type { Logger } from './logger.js'
import type { Task } from './task.js'

/** The information that a handler gets about its attempt, in addition to the input. */
export interface AttemptContext {
  /** The task id. The same for every attempt and every redelivery: use it as an idempotency key. */
  readonly id: string
  /** The task's name. */
  readonly task: string
  /** 1 for the first attempt. A redelivery after a lost worker repeats the number, because that attempt never ended. */
  readonly number: number
  /** Whether RabbitMQ delivered the message before: an earlier run may have done part of the work. */
  readonly redelivered: boolean
  /**
   * With a concurrency `limit`: a fencing token, larger than those of all earlier attempts. Store it with the resource that the
   * limit protects, and refuse writes with a smaller token: they come from a worker that was frozen and lost its place.
   * Undefined for a task without such a limit.
   */
  readonly fence: number | undefined
  /**
   * Aborted when the attempt exceeds its time limit, loses its delivery (another worker will get it), or the worker's grace
   * period ends. The reason is the corresponding error. Pass it on to whatever the handler awaits.
   */
  readonly signal: AbortSignal
  readonly log: Logger
  /** Stores the state PROGRESS with `value`, for `state()` and `events()`. */
  progress(value: unknown): Promise<void>
}

/** Takes the input as parsed by the task's schema, and returns a value that fits the output schema and that JSON can carry. */
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
  /** Aborted when no item of the batch is needed any more. Each item has its own signal. */
  readonly signal: AbortSignal
}

/**
 * Takes several tasks at once and returns how each ended, in the order of the items: its output, or an `Error` for one that
 * failed and is retried by its task's policy (a `Reject` for one that is not). Undefined: all succeeded without an output. If
 * it throws, all items fail with that error.
 */
export type BatchHandler<Input = unknown, Returned = unknown> = (
  items: readonly BatchItem<Input>[],
  batch: BatchContext,
) => Promise<readonly (Returned | Error)[] | undefined> | readonly (Returned | Error)[] | undefined

/** The handler of a task by its type alone, for a module that must not load the task: `HandlerOf<typeof resize>`. */
export type HandlerOf<T> =
  T extends Task<infer _Input, infer Parsed, infer _Output, infer Returned> ? Handler<Parsed, Returned> : never
