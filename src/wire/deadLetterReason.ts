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
  /** Its Celery canvas cannot be carried out: nothing of it was run. */
  | 'canvas'
  /** Its sender's `expires` has passed. */
  | 'expired'
  /** A classic queue delivered it more often than the limit: it may kill every worker that runs it. */
  | 'delivery-limit'
