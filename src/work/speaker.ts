/** Who speaks when an attempt's state is stored: what every result says of its task and attempt. */
import type { Envelope } from '../wire/envelope.js'
import type { HistoryNote, HistoryState } from '../wire/historyEntry.js'
import type { Speaker, StoredError } from '../wire/resultFormat.js'
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

export function speakerOf({ delivery, id, task, number, beganAt }: Speaking): Speaker & { task: string } {
  const { envelope, queue } = delivery
  const run = envelope?.run ?? 0
  return { id, task, attempt: number, run, queued: queuedAt(envelope), started: beganAt, queue: queue.name }
}

/** The same with what a success says, in one piece: to copy a speaker into it is felt at thousands of tasks a second. */
export function successOf(
  { delivery: { envelope, queue }, id, task, number, beganAt }: Speaking,
  output: unknown,
): Speaker & { task: string; output: unknown; doneAt: Date } {
  const run = envelope?.run ?? 0
  const queued = queuedAt(envelope)
  return { id, task, attempt: number, run, queued, started: beganAt, queue: queue.name, output, doneAt: new Date() }
}

/** What the history keeps of it. Made in one piece, too. */
export function noteOf(
  { delivery: { envelope, queue }, id, task, number, beganAt }: Speaking,
  state: HistoryState,
  at: number,
  error?: StoredError,
  delayMs?: number,
): HistoryNote {
  const run = envelope?.run ?? 0
  const queued = queuedAt(envelope)
  return { id, state, attempt: number, run, task, queue, queued, started: beganAt, at, error, delayMs }
}

/** A later run was queued when it began, which is its number. */
export const queuedAt = (envelope: Envelope | undefined): number | undefined =>
  envelope !== undefined && envelope.run > 0 ? envelope.run : envelope?.sent
