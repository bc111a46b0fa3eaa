/** Who speaks when an attempt's state is stored: what every result says of its task and attempt. */
import type { Speaker } from '../wire/resultFormat.js'
import type { Delivery } from './delivery.js'

/** As much of an attempt as its results say. */
export interface Speaking {
  readonly delivery: Delivery
  readonly id: string
  /** What the message calls its task. */
  readonly task: string
  /** 1 for the first attempt. */
  readonly number: number
  /** When its handler began, in milliseconds since 1970; undefined before. */
  readonly beganAt: number | undefined
}

export function speakerOf({ delivery: { envelope }, id, task, number, beganAt }: Speaking): Speaker & { task: string } {
  const run = envelope?.run ?? 0
  // A later run was queued when it began, which is its number.
  return { id, task, attempt: number, run, queued: run > 0 ? run : envelope?.sent, started: beganAt }
}
