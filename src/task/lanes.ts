/**
 * The queues of a task, usually one. A task with priorities has three, and a task with ordered messages has one for each
 * partition, from which one consumer at a time takes one message at a time. Pure.
 */
import { OptionsError } from '../errors/index.js'
import { is, settleOptions } from '../options.js'
import { laneKey, laneQueue, taskQueue } from '../wire/names.js'

export type Priority = 'high' | 'normal' | 'low'

export interface OrderOptions<Parsed = unknown> {
  /**
   * Returns the key from the parsed input, such as the account's id: messages with the same key run in the order they were
   * sent.
   */
  readonly key: (input: Parsed) => string
  /**
   * How many queues share the keys, 1 to 256, which is also the maximum concurrency. Do not change it later, because keys would
   * move to other queues. Default 8.
   */
  readonly partitions?: number | undefined
}

/** A task's order, checked, with defaults. */
export interface TaskOrder<Parsed = unknown> {
  readonly partitions: number
  // A method, so that a task of any input is a `Task`.
  key(input: Parsed): string
}

const DEFAULT_PARTITIONS = 8
const MAX_PARTITIONS = 256
const ORDER_CHECKS = { key: is.callback, partitions: is.integer(1, MAX_PARTITIONS) }

/** Throws `OptionsError`. */
export function settleOrder(where: string, given: OrderOptions<never>): TaskOrder {
  const settled = settleOptions(where, given, ORDER_CHECKS, { partitions: DEFAULT_PARTITIONS }, ['key'])
  return Object.freeze({ partitions: settled.partitions as number, key: settled.key as TaskOrder['key'] })
}

/** The part of a task that its queues depend on. */
export interface LanedTask {
  readonly name: string
  readonly priority?: boolean
  readonly order?: { readonly partitions: number } | undefined
}

/** One queue of a task in one service. */
export interface Lane {
  readonly queue: string
  readonly routingKey: string
  readonly ordered: boolean
}

/** The name of a lane in queues' names and routing keys; empty for the task's own queue. */
const PRIORITIES: readonly (readonly [Priority, string])[] = [
  ['high', 'high'],
  ['normal', ''],
  ['low', 'low'],
]

export function lanesOf(task: LanedTask, service: string): readonly Lane[] {
  const { name, priority, order } = task
  const queue = taskQueue(name, service)
  if (order !== undefined) {
    return Array.from({ length: order.partitions }, (_, partition) => ({
      queue: laneQueue(queue, String(partition)),
      routingKey: laneKey(name, partitionLane(partition)),
      ordered: true,
    }))
  }
  const lanes = priority === true ? PRIORITIES.map(([, lane]) => lane) : ['']
  return lanes.map((lane) => ({ queue: laneQueue(queue, lane), routingKey: laneKey(name, lane), ordered: false }))
}

/** The first partition also takes messages sent with the task's name alone, by senders that do not know about partitions. */
const partitionLane = (partition: number): string => (partition === 0 ? '' : String(partition))

/** AMQP priorities for brokers that support them; a message without one counts as normal. */
const NUMBERS: Readonly<Record<Priority, number>> = { high: 8, normal: 4, low: 1 }

/** How a message is sent. */
export interface Lanes {
  /** Empty for the task's own queue. */
  readonly lane: string
  /** The message's priority, if the broker handles it. */
  readonly number: number | undefined
}

export interface SentTask extends LanedTask {
  readonly order?: TaskOrder<never> | undefined
}

/**
 * The destination of a message. `native`: the broker orders its queues by priority. Throws `OptionsError`, and errors of the
 * user's `key`.
 */
export function laneFor(
  where: string,
  task: SentTask,
  sent: { readonly input: unknown; readonly priority: Priority | undefined; readonly native: boolean },
): Lanes {
  const { name, priority, order } = task
  if (sent.priority !== undefined && priority !== true) {
    throw new OptionsError(where, [`expected \`priority\` only of a task that is defined with priority: true: ${name}`])
  }
  if (order !== undefined) return { lane: partitionLane(partitionOf(name, order, sent.input)), number: undefined }
  if (priority !== true) return { lane: '', number: undefined }
  const wanted = sent.priority ?? 'normal'
  if (sent.native) return { lane: '', number: NUMBERS[wanted] }
  return { lane: PRIORITIES.find(([each]) => each === wanted)?.[1] ?? '', number: undefined }
}

function partitionOf(task: string, order: TaskOrder<never>, input: unknown): number {
  const key: unknown = order.key(input as never)
  if (typeof key !== 'string') {
    throw new TypeError(`expected the order's key of ${task} to return a string, got: ${typeof key}`)
  }
  return hash(key) % order.partitions
}

/** FNV-1a over UTF-8, which gives the same result in every version and language. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193)
  return value >>> 0
}
