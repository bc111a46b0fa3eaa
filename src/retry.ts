/**
 * Retries: a failed attempt's message is published anew to a delay queue and returns to its task's queue by itself.
 *
 * Each delay of a policy has a queue of its own, since messages expire at the head of a queue only: in a queue of mixed
 * delays a long one would hold up the short ones behind it. Within one queue the jitter makes delays differ, by at most
 * half, and no message waits longer than the queue's delay.
 *
 * The retry is a fresh message without `x-death`: RabbitMQ takes a message that expires twice in the same queue for a
 * cycle and drops it.
 */
import type { ChannelModel } from 'amqplib'
import { withDeadline } from './deadline.js'
import { retryQueue } from './names.js'
import type { RetryPolicy } from './task.js'

/** The delay before the attempt after `number`, before jitter: what its delay queue is named for. */
export function retryDelayMs({ backoff, initialDelayMs, maxDelayMs }: RetryPolicy, number: number): number {
  const grown = backoff === 'fixed' ? initialDelayMs : initialDelayMs * 2 ** Math.min(number - 1, 40)
  return Math.min(grown, maxDelayMs)
}

const DECLARE_TIMEOUT_MS = 15_000

/**
 * Declares the delay queue for `queue` and `delayMs`: durable and replicated, and handing on at least once, so that a
 * retry is as safe in it as in the task's own queue. Its retention belongs to Warren and is never an operator's choice,
 * hence arguments and not a policy.
 */
export async function declareRetryQueue(model: ChannelModel, queue: string, delayMs: number): Promise<void> {
  const name = retryQueue(queue, delayMs)
  const channel = await withDeadline(model.createChannel(), DECLARE_TIMEOUT_MS, `declaring ${name}`)
  channel.on('error', () => undefined)
  await withDeadline(
    channel.assertQueue(name, {
      durable: true,
      arguments: {
        'x-queue-type': 'quorum',
        'x-message-ttl': delayMs,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': queue,
        'x-dead-letter-strategy': 'at-least-once',
        'x-overflow': 'reject-publish',
      },
    }),
    DECLARE_TIMEOUT_MS,
    `declaring ${name}`,
  )
  await channel.close().catch(() => undefined)
}
