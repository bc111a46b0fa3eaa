/** When a message is due, and under which keys a queue takes what is. Pure. */
import { queueKey } from '../wire/delayedKey.js'
import { headers } from '../wire/names.js'

/** The instant before which a message is not to be run, in milliseconds since 1970; 0 for at once. */
export function dueAt(eta: Date | undefined, given: Readonly<Record<string, unknown>> | undefined): number {
  const due: unknown = given?.[headers.due]
  // Warren's own word is later than its sender's: a retry is due after the `eta` that it was first sent with.
  if (typeof due === 'number' && Number.isFinite(due)) return due
  return eta?.getTime() ?? 0
}

/** What binds a queue to what is due: for its task, and for itself alone. */
export const dueBindings = (task: string, queue: string): readonly string[] => [task, queueKey(queue)]
