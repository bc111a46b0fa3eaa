/** How an attempt ends. The set is closed: a `switch` over `kind` covers every way, and the docs list the same ones. */

import type { CancelledError } from '../errors/index.js'
import type { DeadLetterReason } from '../wire/deadLetterReason.js'

export type Outcome =
  | /** `result` is encoded for the store already, so that what cannot be encoded is a failed attempt. */
  { readonly kind: 'succeeded'; readonly result: string }
  /** Found done in the result store after a redelivery: acknowledged without running again. */
  | { readonly kind: 'alreadyDone' }
  | { readonly kind: 'retried'; readonly error: unknown; readonly delayMs: number }
  | { readonly kind: 'deadLettered'; readonly reason: DeadLetterReason; readonly error: unknown }
  /** Somebody cancelled the task: acknowledged, neither retried nor dead-lettered. */
  | { readonly kind: 'cancelled'; readonly error: CancelledError }
  /** Another task took its unique key: acknowledged without being run. */
  | { readonly kind: 'replaced'; readonly by: string }
  /** Over its task's limit, which drops what is: acknowledged without being run. */
  | { readonly kind: 'limited'; readonly reason: string }
  /**
   * Not to be run yet: a copy of the message, with `added` headers, comes back to its queue at `due`, in milliseconds since
   * 1970.
   */
  | { readonly kind: 'postponed'; readonly due: number; readonly added?: Readonly<Record<string, unknown>> }
  /**
   * Not to be run yet: it stays with the worker, without a place among the handlers. `parked`: other messages of its queue
   * need not wait for it.
   */
  | { readonly kind: 'held'; readonly until: Promise<unknown>; readonly parked?: true }
  /**
   * The delivery's channel died or the worker stopped: RabbitMQ hands the message to another worker. `counted`: so that
   * it counts towards the queue's delivery limit.
   */
  | { readonly kind: 'returned'; readonly counted?: true }

export type OutcomeKind = Outcome['kind']
