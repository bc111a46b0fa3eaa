/**
 * A task: a named, typed unit of work, shared by those who send it and those who handle it. Its types flow from
 * `defineTask` to `send`, `handle` and `result`.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Issue } from '../errors/index.js'
import { isThenable } from '../kinds.js'
import { checkOptions, is } from '../options.js'
import type { QueueType } from './topology.js'

/** How failed attempts are repeated. */
export interface RetryPolicy {
  /** How many attempts a message gets in all, the first included. Default 1: a failed attempt is dead-lettered. */
  readonly maxAttempts: number
  /** `exponential` doubles the delay each time; `fixed` keeps it. Both are jittered. Default `exponential`. */
  readonly backoff: 'exponential' | 'fixed'
  /** The delay before the second attempt, in milliseconds. Default 1,000. */
  readonly initialDelayMs: number
  /** The longest delay, in milliseconds. Default 60,000. */
  readonly maxDelayMs: number
}

export interface TaskOptions<Input extends StandardSchemaV1, Output extends StandardSchemaV1 | undefined> {
  /** `<domain>.<entity>.<action>`, for example `payment.invoice.create`: also the message's routing key. */
  readonly name: string
  /** Any Standard Schema (zod, valibot, arktype, …) for the input. Checked at `send` and again before the handler runs. */
  readonly input: Input
  /** A Standard Schema for what the handler returns. Left out, anything that JSON can carry is taken. */
  readonly output?: Output
  /** Default `{ type: 'quorum' }`: replicated, survives the loss of a node. `classic` stops when its one node does. */
  readonly queue?: { readonly type: QueueType }
  readonly retry?: Partial<RetryPolicy>
  /** How long one attempt may take, in milliseconds, before its signal is aborted and it counts as failed. Default: no limit. */
  readonly timeoutMs?: number
}

/**
 * A defined task. `TaskInput` and `TaskOutput` read its types back. `Input` is what a caller gives (before the schema's
 * transformations), `Parsed` is what the handler sees (after them), `Output` what `result()` resolves with.
 */
export interface Task<Input = unknown, Parsed = unknown, Output = unknown> {
  readonly name: string
  readonly queue: { readonly type: QueueType }
  readonly retry: RetryPolicy
  readonly timeoutMs: number | undefined
  readonly input: StandardSchemaV1<Input, Parsed>
  readonly output: StandardSchemaV1<unknown, Output> | undefined
}

/** The input that `send` takes for a task. */
export type TaskInput<T> = T extends Task<infer Input, infer _Parsed, infer _Output> ? Input : never
/** The result that `result()` gives for a task. */
export type TaskOutput<T> = T extends Task<infer _Input, infer _Parsed, infer Output> ? Output : never

export const DEFAULT_RETRY: RetryPolicy = {
  maxAttempts: 1,
  backoff: 'exponential',
  initialDelayMs: 1_000,
  maxDelayMs: 60_000,
}

/** At least two segments of letters, digits, `_` and `-`, joined by dots; 200 characters leave room for the service in an AMQP name (255 bytes). */
export const TASK_NAME = /^(?=.{3,200}$)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$/

const isSchema = (value: unknown): string | undefined =>
  value !== null && (typeof value === 'object' || typeof value === 'function') && '~standard' in value
    ? undefined
    : 'a Standard Schema (zod, valibot, arktype, …)'

/** Defines a task. Does no I/O. Throws `OptionsError` naming everything that is wrong. */
export function defineTask<Input extends StandardSchemaV1, Output extends StandardSchemaV1 | undefined = undefined>(
  options: TaskOptions<Input, Output>,
): Task<
  StandardSchemaV1.InferInput<Input>,
  StandardSchemaV1.InferOutput<Input>,
  Output extends StandardSchemaV1 ? StandardSchemaV1.InferOutput<Output> : unknown
> {
  checkOptions(
    'defineTask',
    options,
    {
      name: is.matching(
        TASK_NAME,
        'dotted segments such as "payment.invoice.create" (letters, digits, _ and -, at least two segments)',
      ),
      input: isSchema,
      output: isSchema,
      queue: is.record,
      retry: is.record,
      timeoutMs: is.integer(1, 2 ** 31 - 1),
    },
    ['name', 'input'],
  )
  const where = `defineTask(${options.name})`
  checkOptions(`${where}: queue`, options.queue ?? {}, { type: is.oneOf('quorum', 'classic') })
  checkOptions(`${where}: retry`, options.retry ?? {}, {
    maxAttempts: is.integer(1),
    backoff: is.oneOf('exponential', 'fixed'),
    initialDelayMs: is.integer(1),
    maxDelayMs: is.integer(1),
  })
  return Object.freeze({
    name: options.name,
    queue: Object.freeze({ type: options.queue?.type ?? 'quorum' }),
    retry: Object.freeze({ ...DEFAULT_RETRY, ...options.retry }),
    timeoutMs: options.timeoutMs,
    input: options.input as StandardSchemaV1<StandardSchemaV1.InferInput<Input>, StandardSchemaV1.InferOutput<Input>>,
    // The conditional output type cannot be computed inside the generic function; the signature above is what holds.
    output: options.output as never,
  })
}

/** What a schema says of a value: the parsed value, or what is wrong with it. */
export type Checked<T> = { readonly value: T; readonly issues?: undefined } | { readonly issues: readonly Issue[] }

/** Runs a Standard Schema; see https://standardschema.dev. Synchronous schemas cost no extra turn. */
export function check<T>(schema: StandardSchemaV1<unknown, T>, value: unknown): Checked<T> | Promise<Checked<T>> {
  const outcome = schema['~standard'].validate(value)
  return isThenable(outcome) ? Promise.resolve(outcome).then(toChecked) : toChecked(outcome)
}

function toChecked<T>(outcome: StandardSchemaV1.Result<T>): Checked<T> {
  if (outcome.issues === undefined) return { value: outcome.value }
  return { issues: outcome.issues.map(({ message, path }) => ({ message, path: pathOf(path ?? []) })) }
}

function pathOf(path: readonly (PropertyKey | StandardSchemaV1.PathSegment)[]): string {
  let text = ''
  for (const segment of path) {
    const key = typeof segment === 'object' ? segment.key : segment
    text += typeof key === 'number' ? `[${key}]` : text === '' ? String(key) : `.${String(key)}`
  }
  return text
}
