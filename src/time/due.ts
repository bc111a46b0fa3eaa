/** When a message is due, and under which keys a queue takes what is. Pure. */
import { createHash } from 'node:crypto'
import { headers } from '../wire/names.js'
import { dueBinding, MAX_DELAYED_KEY_BYTES } from './delayLevels.js'

/** The instant before which a message is not to be run, in milliseconds since 1970; 0 for at once. */
export function dueAt(eta: Date | undefined, given: Readonly<Record<string, unknown>> | undefined): number {
  const due: unknown = given?.[headers.due]
  // Warren's own word is later than its sender's: a retry is due after the `eta` that it was first sent with.
  if (typeof due === 'number' && Number.isFinite(due)) return due
  return eta?.getTime() ?? 0
}

/** The key under which one queue, and no other queue of its task, takes what is due. */
export function queueKey(queue: string): string {
  const key = `queue.${queue}`
  if (Buffer.byteLength(key) <= MAX_DELAYED_KEY_BYTES) return key
  return `queue.${createHash('sha256').update(queue).digest('hex')}`
}

/** What binds a queue to what is due: for its task, and for itself alone. */
export const dueBindings = (task: string, queue: string): readonly string[] => [
  dueBinding(task),
  dueBinding(queueKey(queue)),
]
