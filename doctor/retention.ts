/** How long a queue keeps messages and where they go then, of its policy and its arguments together. Pure. */

import type { Arguments, QueueFacts } from './snapshot.js'
import { atLeast } from './version.js'

export interface Retention {
  readonly deadLetterExchange: string | undefined
  /** Whether a dead letter is kept until its new queue has confirmed it. */
  readonly strategy: string | undefined
  readonly overflow: string | undefined
  readonly deliveryLimit: number | undefined
  readonly messageTtlMs: number | undefined
  /** After so long without use the queue is deleted. */
  readonly expiresMs: number | undefined
  /** Whether it holds a limited number or size of messages. */
  readonly limited: boolean
  readonly consumerTimeoutMs: number | undefined
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

/** `policy` in the place of the one in force. */
export function retentionOf(queue: QueueFacts, policy: Arguments = queue.effective ?? {}): Retention {
  // Of limits the lower one holds, of everything else what the queue was declared with.
  const lower = (key: string): number | undefined => {
    const all = [number(policy[key]), number(queue.arguments[`x-${key}`])].filter((each) => each !== undefined)
    return all.length === 0 ? undefined : Math.min(...all)
  }
  const first = (key: string): string | undefined => text(queue.arguments[`x-${key}`]) ?? text(policy[key])
  return {
    deadLetterExchange: first('dead-letter-exchange'),
    strategy: first('dead-letter-strategy'),
    overflow: first('overflow'),
    deliveryLimit: lower('delivery-limit'),
    messageTtlMs: lower('message-ttl'),
    expiresMs: lower('expires'),
    limited: lower('max-length') !== undefined || lower('max-length-bytes') !== undefined,
    consumerTimeoutMs: lower('consumer-timeout'),
  }
}

/** RabbitMQ's own limit, from 4.0 on. */
const LIMIT_FROM_4_0 = 20

/** The delivery limit that is in force on a quorum queue; undefined for none. */
export function limitInForce(retention: Retention, version: string): number | undefined {
  const limit = retention.deliveryLimit ?? (atLeast(version, 4, 0) ? LIMIT_FROM_4_0 : undefined)
  return limit === undefined || limit < 0 ? undefined : limit
}

/** Whether dead letters of the queue are kept until they are confirmed. */
export const isAtLeastOnce = (queue: QueueFacts, { strategy, overflow }: Retention): boolean =>
  queue.type === 'quorum' && strategy === 'at-least-once' && overflow === 'reject-publish'
