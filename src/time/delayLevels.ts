/**
 * Delay levels, in which delayed messages wait. Level N is a headers exchange and a quorum queue whose messages wait 2^N
 * seconds. A message has one header for each level: `1` routes it into the level's queue and, when it expires there, to the
 * next level; `0` routes it directly to the next level. Behind level 0 is the exchange `warren.delay.due`, to which every task
 * queue is bound.
 *
 * The layout is that of Celery 5.5's native delayed delivery, except for the headers: Celery has the digits in the routing key,
 * where RabbitMQ needs several times as long to match them (decision 0015). Pure.
 */
import { DEAD_LETTER_DELIVERY_LIMIT, joinPlans, type OperatorPlan } from '../task/topology.js'
import { DELAY_LEVELS, PASSES, WAITS } from '../wire/delayedKey.js'
import { DELAY_DUE, DELAY_UNROUTABLE, delayHeader, delayLevel } from '../wire/names.js'

export const MAX_DELAY_SECONDS = 2 ** DELAY_LEVELS - 1

/** The level to publish to for whole seconds: the highest level in which the message waits. */
export const firstLevel = (seconds: number): number => 31 - Math.clz32(seconds)

/** The end of all levels: the exchange for due messages, and a queue for unroutable ones. */
export const DUE_PLAN: OperatorPlan = {
  exchanges: [
    { name: DELAY_UNROUTABLE, type: 'fanout' },
    // Without it, an unroutable message would be retried forever and block its level.
    { name: DELAY_DUE, type: 'topic', arguments: { 'alternate-exchange': DELAY_UNROUTABLE } },
  ],
  // Its messages are inspected like dead letters. An argument rather than a policy, because any service may declare the queue.
  queues: [{ name: DELAY_UNROUTABLE, type: 'quorum', arguments: { 'x-delivery-limit': DEAD_LETTER_DELIVERY_LIMIT } }],
  bindings: [{ exchange: DELAY_UNROUTABLE, queue: DELAY_UNROUTABLE, routingKey: '' }],
  policies: [],
}

/** One level: its exchange, its queue, and the two ways out of the exchange. */
export function planLevel(level: number): OperatorPlan {
  const name = delayLevel(level)
  const next = level === 0 ? DELAY_DUE : delayLevel(level - 1)
  const says = (word: string) => ({ 'x-match': 'all', [delayHeader(level)]: word })
  return {
    exchanges: [{ name, type: 'headers' }],
    queues: [
      {
        name,
        type: 'quorum',
        arguments: {
          'x-message-ttl': 2 ** level * 1000,
          'x-dead-letter-exchange': next,
          // At-least-once needs reject-publish: with any other overflow RabbitMQ silently falls back to at-most-once.
          'x-dead-letter-strategy': 'at-least-once',
          'x-overflow': 'reject-publish',
        },
      },
    ],
    bindings: [{ exchange: name, queue: name, routingKey: '', arguments: says(WAITS) }],
    links: [{ from: name, to: next, routingKey: '', arguments: says(PASSES) }],
    policies: [],
  }
}

/** All levels, lowest first, for the operator's definitions. */
export const planDelays = (): OperatorPlan =>
  joinPlans(DUE_PLAN, ...Array.from({ length: DELAY_LEVELS }, (_, level) => planLevel(level)))
