/**
 * Retries: a failed attempt's message is published anew, waits in the delay levels, and returns to its task's queue by itself.
 *
 * Each delay of a policy has a queue of its own, since messages expire at the head of a queue only: in a queue of mixed
 * delays a long one would hold up the short ones behind it. Within one queue the jitter makes delays differ, by at most
 * half, and no message waits longer than the queue's delay.
 *
 * The retry is a fresh message without `x-death`: RabbitMQ takes a message that expires twice in the same queue for a
 * cycle and drops it.
 */

/** 180 days. The delay levels reach 194, and what is due later than that is no retry. */
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
