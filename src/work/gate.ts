/** What a delivery passes before its handler runs: each gate may end the attempt early, with an outcome. */
import type { Outcome } from '../task/outcome.js'
import type { Task } from '../task/task.js'
import type { Envelope } from '../wire/envelope.js'
import type { Delivery } from './delivery.js'
import type { Settled } from './settled.js'

/** An attempt as a gate sees it. */
export interface GatedAttempt {
  readonly delivery: Delivery
  /** The task of the queue that the delivery came from. */
  readonly registeredTask: Task
  readonly id: string
  /** 1 for the first attempt. */
  readonly number: number
  readonly queue: string
  /** The fencing number of the place that it holds of a concurrency limit, for the handler. */
  fence: number | undefined
  /** Calls `listener` when the handler has ended, or at once: after an abort it may still run. One listener: its limit. */
  whenHandled(listener: () => void): void
  /**
   * Aborts the attempt's signal. A `CancelledError` ends the attempt as cancelled, a `PlaceLostError` lets it be run again;
   * anything else fails it.
   */
  abort(reason: unknown): void
}

/** The outcome that ends the attempt, or undefined to let it through. */
export type Passing = Outcome | undefined

export interface Gate {
  /** Answers at once where it can: a promise costs a turn for each task. A gate that throws fails the attempt. */
  enter(attempt: GatedAttempt, envelope: Envelope): Passing | Promise<Passing>
  /** Called for each attempt that this gate let through, once it is settled: what was taken is released. Must not throw. */
  leave?(attempt: GatedAttempt, outcome: Outcome, settled: Settled): void
  /** Called when the worker has stopped. */
  close?(): void
}
