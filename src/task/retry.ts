/**
 * Retries: a failed attempt's message is published again as a new message, waits in the delay levels, and returns to its
 * task's queue. It has no `x-death`: RabbitMQ treats a message that expires twice in the same queue as a cycle and drops it.
 */

/** 180 days. The delay levels hold a message for at most 194 days. */
export const LONGEST_RETRY_DELAY_MS = 180 * 24 * 60 * 60 * 1000

/** The part of a retry policy that delays depend on. */
interface Delays {
  readonly backoff: 'exponential' | 'fixed'
  readonly initialDelayMs: number
  readonly maxDelayMs: number
}

/** The delay before the attempt after `number`, before jitter. */
export function retryDelayMs({ backoff, initialDelayMs, maxDelayMs }: Delays, number: number): number {
  const grown = backoff === 'fixed' ? initialDelayMs : initialDelayMs * 2 ** Math.min(number - 1, 40)
  return Math.min(grown, maxDelayMs)
}
