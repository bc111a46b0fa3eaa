/** When a message is due, and the binding keys of a queue for due messages. Pure. */
import { queueKey } from '../wire/delayedKey.js'
import { headers } from '../wire/names.js'

/** The earliest time at which a message may run, in milliseconds since 1970; 0 for at once. */
export function dueAt(eta: Date | undefined, given: Readonly<Record<string, unknown>> | undefined): number {
  const due: unknown = given?.[headers.due]
  // Warren's header overrides the sender's: a retry is due after the `eta` with which it was first sent.
  if (typeof due === 'number' && Number.isFinite(due)) return due
  return eta?.getTime() ?? 0
}

/** The binding keys of a queue for due messages: its task's, and its own. */
export const dueBindings = (task: string, queue: string): readonly string[] => [task, queueKey(queue)]
