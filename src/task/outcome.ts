/** How an attempt ends. The set is closed: a `switch` over `kind` covers every way, and the docs list the same ones. */

import type { CancelledError } from '../errors/index.js'
import type { DeadLetterReason } from '../wire/deadLetterReason.js'

export type Outcome =
  | /** `result` is already encoded for the store, so that a value that cannot be encoded fails the attempt. */
  { readonly kind: 'succeeded'; readonly result: string }
  /** Already done according to the result store, after a redelivery: acknowledged without running again. */
  | { readonly kind: 'alreadyDone' }
  | { readonly kind: 'retried'; readonly error: unknown; readonly delayMs: number }
  | { readonly kind: 'deadLettered'; readonly reason: DeadLetterReason; readonly error: unknown }
  /** The task was cancelled: acknowledged, neither retried nor dead-lettered. */
  | { readonly kind: 'cancelled'; readonly error: CancelledError }
  /** Another task took its unique key: acknowledged without running. */
  | { readonly kind: 'replaced'; readonly by: string }
  /** Over its task's limit with `drop`: acknowledged without running. */
  | { readonly kind: 'limited'; readonly reason: string }
  /**
   * Not due yet: a copy of the message, with `added` headers, returns to its queue at `due`, in milliseconds since 1970.
   */
  | { readonly kind: 'postponed'; readonly due: number; readonly added?: Readonly<Record<string, unknown>> }
  /**
   * Not due yet: it stays with the worker without counting towards its concurrency. `parked`: other messages of its queue do
   * not wait for it.
   */
  | { readonly kind: 'held'; readonly until: Promise<unknown>; readonly parked?: true }
  /**
   * The delivery's channel died or the worker stopped: RabbitMQ delivers the message to another worker. `counted`: it counts
   * towards the queue's delivery limit.
   */
  | { readonly kind: 'returned'; readonly counted?: true }

export type OutcomeKind = Outcome['kind']
