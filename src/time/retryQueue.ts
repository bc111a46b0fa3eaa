/** The delay queues in which retries wait. */
import type { ChannelModel } from 'amqplib'
import { withDeadline } from '../amqp/deadline.js'
import { retryQueue } from '../wire/names.js'

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
