/** How an attempt ends. The set is closed: a `switch` over `kind` covers every way, and the docs list the same ones. */

/** Why Warren itself dead-letters a message. The broker's own reasons are in `x-death`: expired, rejected, … */
export type DeadLetterReason =
  /** The handler threw, and no attempts are left. */
  | 'failed'
  /** The handler threw `Reject`. */
  | 'rejected'
  /** The input does not fit the task's schema. */
  | 'invalid-input'
  /** This service has no handler for the task. */
  | 'unknown-task'
  /** The message cannot be read as a task message. */
  | 'undecodable'
  /** Its sender's `expires` has passed. */
  | 'expired'
  /** A classic queue handed it out more often than the limit: it may kill every worker it meets. */
  | 'delivery-limit'

export type Outcome =
  | /** `result` is encoded for the store already, so that what cannot be encoded is a failed attempt. */
  { readonly kind: 'succeeded'; readonly result: string }
  /** Found done in the result store after a redelivery: acknowledged without running again. */
  | { readonly kind: 'alreadyDone' }
  | { readonly kind: 'retried'; readonly error: unknown; readonly delayMs: number }
  | { readonly kind: 'deadLettered'; readonly reason: DeadLetterReason; readonly error: unknown }
  /** The delivery's channel died or the worker stopped: RabbitMQ hands the message to another worker. */
  | { readonly kind: 'returned' }

export type OutcomeKind = Outcome['kind']
