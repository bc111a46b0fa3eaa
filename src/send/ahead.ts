/** Sending a task with a rate for each key: with the start that is reserved for it, and not before that (decision 0025). */
import type { Reservations } from '../control/reservations.js'
import { DelaysMissingError } from '../errors/index.js'
import type { Task } from '../task/task.js'
import { headers } from '../wire/names.js'
import { slotText } from '../wire/slot.js'
import { isInNoQueue } from './inNoQueue.js'
import type { Publication } from './outgoing.js'

/** `publish` publishes it, now or, with an instant, to be run then. Throws what that throws. */
export async function publishAhead(
  reservations: Reservations | undefined,
  { task, input, publication }: { task: Task; input: unknown; publication: Publication },
  publish: (due: Date | undefined) => Promise<void>,
): Promise<void> {
  const reserved = await reservations?.reserve(task, input)
  if (reserved === undefined) return publish(undefined)
  Object.assign(publication.message.properties.headers, {
    [headers.due]: reserved.at,
    [headers.slot]: slotText(reserved),
  })
  try {
    await publish(new Date(reserved.at)).catch((error: unknown) => {
      // A worker may have the rights to make it wait.
      if (error instanceof DelaysMissingError) return publish(undefined)
      throw error
    })
  } catch (error) {
    if (isInNoQueue(error)) reservations?.giveBack(reserved)
    throw error
  }
}
