/** Sends to one of a task's lanes; the message carries the lane, so that it can be published again. */
import type { Lanes, Priority, SentTask } from '../task/lanes.js'
import type { Encoded } from '../wire/envelope.js'
import { headers, laneKey } from '../wire/names.js'

/** Whether a task has several lanes; most have one. */
export const hasLanes = (task: SentTask, { priority }: { readonly priority?: Priority | undefined }): boolean =>
  task.order !== undefined || task.priority === true || priority !== undefined

/** Marks the message. Returns its routing key. */
export function inLane(task: string, { properties }: Encoded, { lane, number }: Lanes): string {
  if (number !== undefined) Object.assign(properties, { priority: number })
  if (lane !== '') properties.headers[headers.lane] = lane
  return laneKey(task, lane)
}

/** No task has a lane of another name. */
const LANE = /^(high|low|\d{1,3})$/

export function preparedKey(task: string, { properties }: Encoded): string {
  const lane: unknown = properties.headers[headers.lane]
  return typeof lane === 'string' && LANE.test(lane) ? laneKey(task, lane) : task
}
