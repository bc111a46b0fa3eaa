/**
 * A task: a named, typed unit of work, shared by its senders and its handlers. Its types flow from
 * `defineTask` to `send`, `handle` and `result`.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { OptionsError } from '../errors/index.js'
import { memberOf } from '../kinds.js'
import { checkOptions, is, kindOf, settleOptions } from '../options.js'
import type { CarriedByJson } from './json.js'
import { type OrderOptions, settleOrder, type TaskOrder } from './lanes.js'
import { type LimitOptions, settleLimit, type TaskLimit } from './limit.js'
import { type PackOptions, settlePack, type TaskPack } from './pack.js'
import { LONGEST_RETRY_DELAY_MS } from './retry.js'
import type { QueueType } from './topology.js'

/** How failed attempts are repeated. */
export interface RetryPolicy {
  /** The total number of attempts, including the first. Default 1: a failed attempt is dead-lettered. */
  readonly maxAttempts: number
  /** `exponential` doubles the delay each time; `fixed` keeps it. Both are jittered. Default `exponential`. */
  readonly backoff: 'exponential' | 'fixed'
  /** The delay before the second attempt, in milliseconds, at most 180 days. Default 1,000. */
  readonly initialDelayMs: number
  /** The longest delay, in milliseconds, at most 180 days. Default 60,000, or `initialDelayMs` if that is longer. */
  readonly maxDelayMs: number
}

export interface TaskOptions<Input extends StandardSchemaV1, Output extends StandardSchemaV1 | undefined> {
  /** `<domain>.<entity>.<action>`, for example `payment.invoice.create`: also the message's routing key. */
  readonly name: string
  /** Any Standard Schema (zod, valibot, arktype, …) for the input. Checked at `send` and again before the handler runs. */
  readonly input: Input
  /**
   * A Standard Schema for the result. The handler's return value is checked with it and stored unchanged; `result()` parses the
   * stored value, so transformations such as `z.coerce.date()` apply there. Default: any value that JSON can carry.
   */
  readonly output?: Output | undefined
  /**
   * Default `{ type: 'quorum' }`: replicated, survives the loss of a node. `classic` is unavailable while its only node is
   * down.
   */
  readonly queue?: { readonly type?: QueueType | undefined } | undefined
  readonly retry?: { readonly [Key in keyof RetryPolicy]?: RetryPolicy[Key] | undefined } | undefined
  /** How long one attempt may take, in milliseconds, before its signal is aborted and it counts as failed. Default: no limit. */
  readonly timeoutMs?: number | undefined
  /**
   * Store the state STARTED when a handler begins, so that followers of the task see it at once rather than with its next
   * state. Costs a write to the store for each attempt. Default false.
   */
  readonly trackStarted?: boolean | undefined
  /**
   * Limits rate and concurrency across all workers, for the whole task or for each key. The workers need a result store.
   * Default: no limit.
   */
  readonly limit?: LimitOptions<StandardSchemaV1.InferOutput<Input>> | undefined
  /** Whether `send` takes a `priority`: its service then has two more queues for it. Default false. */
  readonly priority?: boolean | undefined
  /** Messages with the same key run one after the other, in the order they were sent. Default: in any order. */
  readonly order?: OrderOptions<StandardSchemaV1.InferOutput<Input>> | undefined
  /**
   * The properties of the input that Celery's positional arguments are, in order: what a Celery client passes without a
   * name, and the result that Celery's chains, callbacks and chords pass on. Default: none, and such a message is refused.
   */
  readonly positional?: readonly (keyof StandardSchemaV1.InferInput<Input> & string)[] | undefined
  /**
   * Tasks that are sent at the same time share messages: for many short tasks, on queues that only Warren consumes, since
   * Celery cannot read such a message. Default: each task has a message of its own.
   */
  readonly pack?: PackOptions | undefined
}

/**
 * A defined task. `TaskInput` and `TaskOutput` read its types back. `Input` is the caller's type (before the schema's
 * transformations), `Parsed` the handler's (after them). `Returned` is the handler's return type (before the output schema's
 * transformations), `Output` the type of `result()` (after them).
 */
export interface Task<Input = unknown, Parsed = unknown, Output = unknown, Returned = Output> {
  readonly name: string
  readonly queue: { readonly type: QueueType }
  readonly retry: RetryPolicy
  readonly timeoutMs: number | undefined
  readonly trackStarted?: boolean
  readonly limit?: TaskLimit<Parsed> | undefined
  readonly priority?: boolean
  readonly order?: TaskOrder<Parsed> | undefined
  readonly positional?: readonly string[] | undefined
  readonly pack?: TaskPack | undefined
  readonly input: StandardSchemaV1<Input, Parsed>
  readonly output: StandardSchemaV1<Returned, Output> | undefined
}

/** The input type of `send` for a task. */
export type TaskInput<T> = T extends Task<infer Input, infer _Parsed, infer _Output, infer _Returned> ? Input : never
/** The type of `result()` for a task. */
export type TaskOutput<T> = T extends Task<infer _Input, infer _Parsed, infer Output, infer _Returned> ? Output : never

export const DEFAULT_RETRY: RetryPolicy = {
  maxAttempts: 1,
  backoff: 'exponential',
  initialDelayMs: 1_000,
  maxDelayMs: 60_000,
}

/** At least two segments of letters, digits, `_` and `-`, joined by dots; 200 characters leave room for the service in an AMQP name (255 bytes). */
export const TASK_NAME = /^(?=.{3,200}$)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$/

const isSchema = (value: unknown): string | undefined =>
  typeof memberOf(memberOf(value, '~standard'), 'validate') === 'function'
    ? undefined
    : 'a Standard Schema (zod, valibot, arktype, …)'

/** Values already checked: checking again would slow down every send. */
const tasks = new WeakSet<object>()

/**
 * Throws an `OptionsError` for a value that is not a task. A task defined by another copy of the package is accepted, and so is
 * an object with the same members.
 */
export function checkTask(where: string, value: unknown): void {
  if (tasks.has(value as object)) return
  const name = memberOf(value, 'name')
  const problems = [
    typeof name === 'string' && TASK_NAME.test(name) ? undefined : 'with a name',
    isSchema(memberOf(value, 'input')) === undefined ? undefined : 'with an input schema',
    ...(['queue', 'retry'] as const).map((key) =>
      is.record(memberOf(value, key)) === undefined ? undefined : `with \`${key}\``,
    ),
  ].filter((problem) => problem !== undefined)
  if (problems.length > 0) {
    const got = typeof name === 'string' && TASK_NAME.test(name) ? name : kindOf(value)
    throw new OptionsError(where, [`expected a task, which defineTask() returns, ${problems.join(', ')}, got: ${got}`])
  }
  if (Object.isFrozen(value)) tasks.add(value as object)
}

/** Defines a task. Does no I/O. Throws an `OptionsError` that lists all problems. */
export function defineTask<Input extends StandardSchemaV1, Output extends StandardSchemaV1 | undefined = undefined>(
  options: TaskOptions<Input, Output> & CarriedByJson<Input, Output>,
): Task<
  StandardSchemaV1.InferInput<Input>,
  StandardSchemaV1.InferOutput<Input>,
  Output extends StandardSchemaV1 ? StandardSchemaV1.InferOutput<Output> : unknown,
  Output extends StandardSchemaV1 ? StandardSchemaV1.InferInput<Output> : unknown
> {
  const given = checkOptions('defineTask', options, TASK_CHECKS, ['name', 'input'])
  const {
    name,
    input,
    output,
    queue,
    retry,
    timeoutMs,
    trackStarted = false,
    limit,
    priority = false,
    order,
    positional,
    pack,
  } = given as unknown as TaskOptions<Input, Output>
  const where = `defineTask(${name})`
  if (order !== undefined && (limit !== undefined || priority)) {
    throw new OptionsError(where, [
      `expected \`order\` without \`${limit === undefined ? 'priority' : 'limit'}\`, which lets messages overtake each other`,
    ])
  }
  refusePack(where, pack, { limit, order, priority })
  const { type } = settleOptions(
    `${where}: queue`,
    queue ?? {},
    { type: is.oneOf('quorum', 'classic') },
    { type: 'quorum' as const },
  )
  return Object.freeze({
    name,
    queue: Object.freeze({ type }),
    retry: Object.freeze(retryPolicy(`${where}: retry`, retry ?? {})),
    timeoutMs,
    trackStarted,
    ...(limit === undefined ? {} : { limit: settleLimit(`${where}: limit`, limit) }),
    ...(priority ? { priority } : {}),
    ...(positional === undefined ? {} : { positional: Object.freeze([...positional]) }),
    ...(order === undefined ? {} : { order: settleOrder(`${where}: order`, order) }),
    ...(pack === undefined ? {} : { pack: settlePack(`${where}: pack`, pack) }),
    input: input as StandardSchemaV1<StandardSchemaV1.InferInput<Input>, StandardSchemaV1.InferOutput<Input>>,
    // The conditional output type cannot be computed inside the generic function; the signature above applies.
    output: output as never,
  })
}

/** Names of properties, none of them twice. */
const areNames = (value: unknown): string | undefined =>
  Array.isArray(value) && new Set(value).size === value.length && value.every((each) => is.text(each) === undefined)
    ? undefined
    : 'a list of different names'

const TASK_CHECKS = {
  name: is.matching(
    TASK_NAME,
    'dotted segments such as "payment.invoice.create" (letters, digits, _ and -, at least two segments)',
  ),
  input: isSchema,
  output: isSchema,
  queue: is.record,
  retry: is.record,
  timeoutMs: is.duration(1, { forever: true }),
  trackStarted: is.flag,
  limit: is.record,
  priority: is.flag,
  order: is.record,
  positional: areNames,
  pack: is.record,
}

/** What each message has to be alone for. */
const NOT_PACKED = {
  limit: 'which lets each task wait by itself',
  order: 'which takes one message after the other',
  priority: 'which puts tasks that are sent together into different queues',
} as const

function refusePack(where: string, pack: unknown, given: Readonly<Record<keyof typeof NOT_PACKED, unknown>>): void {
  if (pack === undefined) return
  const problems = Object.entries(NOT_PACKED)
    .filter(([option]) => given[option as keyof typeof NOT_PACKED])
    .map(([option, why]) => `expected \`pack\` without \`${option}\`, ${why}`)
  if (problems.length > 0) throw new OptionsError(where, problems)
}

function retryPolicy(
  where: string,
  given: NonNullable<TaskOptions<StandardSchemaV1, undefined>['retry']>,
): RetryPolicy {
  const policy = settleOptions(
    where,
    given,
    {
      maxAttempts: is.integer(1),
      backoff: is.oneOf('exponential', 'fixed'),
      initialDelayMs: is.integer(1, LONGEST_RETRY_DELAY_MS),
      maxDelayMs: is.integer(1, LONGEST_RETRY_DELAY_MS),
    },
    DEFAULT_RETRY,
  )
  const { initialDelayMs, maxDelayMs } = policy
  if (given.maxDelayMs === undefined) return { ...policy, maxDelayMs: Math.max(initialDelayMs, maxDelayMs) }
  if (maxDelayMs >= initialDelayMs) return policy
  throw new OptionsError(where, [
    `expected \`maxDelayMs\` to be at least \`initialDelayMs\` (${initialDelayMs}), got: ${maxDelayMs}`,
  ])
}
