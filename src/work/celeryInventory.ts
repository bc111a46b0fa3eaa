/** What a worker holds, in the words of Celery's tools (`Request.info()` in celery/worker/request.py). Pure. */
import { dueAt } from '../time/due.js'
import type { Attempt } from './attempt.js'
import type { Delivery } from './delivery.js'

/** Shown of a task's input at most, as JSON: `inspect` of a worker with a thousand large messages must stay readable. */
const MAX_INPUT_BYTES = 4_096

export type TaskInfo = Readonly<Record<string, unknown>>

export function taskInfo(delivery: Delivery, node: string, began?: number): TaskInfo {
  const { envelope, message, queue, redelivered, id } = delivery
  const { exchange, routingKey } = message.fields
  const name = envelope?.task ?? queue.task
  return {
    id: id ?? '?',
    name,
    args: envelope?.args ?? [],
    kwargs: message.content.length <= MAX_INPUT_BYTES ? (envelope?.input ?? {}) : '...',
    type: name,
    hostname: node,
    time_start: began === undefined ? null : began / 1000,
    acknowledged: false,
    delivery_info: {
      ...{ exchange, routing_key: routingKey, redelivered },
      priority: message.properties.priority ?? null,
    },
    worker_pid: process.pid,
  }
}

export const activeInfo = ({ delivery, beganAt, durationMs }: Attempt, node: string): TaskInfo =>
  taskInfo(delivery, node, beganAt ?? Date.now() - durationMs)

/** One that waits in the worker until it is due. */
export function scheduledInfo(delivery: Delivery, node: string): TaskInfo {
  const due = dueAt(delivery.envelope?.eta, delivery.message.properties.headers)
  return { eta: new Date(due).toISOString(), priority: 6, request: taskInfo(delivery, node) }
}
