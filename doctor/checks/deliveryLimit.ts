/** Whether a message that kills its workers is stopped, and a dead letter that is only inspected is not dropped. */
import { DEAD_LETTER_DELIVERY_LIMIT } from 'warren'
import { check, type Found } from '../check.js'
import { listed } from '../finding.js'
import { loadDefinitions } from '../fixes.js'
import { isOverruled } from '../policy.js'
import { limitInForce, retentionOf } from '../retention.js'
import type { QueueFacts, Setting } from '../snapshot.js'
import { atLeast } from '../version.js'
import { type TaskQueue, warrens } from '../warrens.js'

/** With fewer, a dead letter is gone after a few looks at it. */
const LEAST_FOR_DEAD_LETTERS = 1_000

export const deliveryLimit = check(
  'delivery-limit',
  'a delivery limit is in force on quorum task queues, and is out of reach on dead-letter queues',
  ['topology'],
  ({ topology, tasks, policies }, setting) => {
    const { tasks: queues, dead } = warrens(topology, tasks)
    const known = (queue: QueueFacts): boolean =>
      queue.type === 'quorum' && queue.effective !== undefined && !isOverruled(queue, policies)
    // Without a dead-letter exchange the limit is not what is wrong first.
    const limited = queues.filter((each) => known(each) && retentionOf(each).deadLetterExchange !== undefined)
    return [
      ...ofTasks(limited, topology.version, setting),
      ...ofDeadLetters(dead.filter(known), topology.version, setting),
    ]
  },
)

/** Whether the limit of a quorum task queue stops nothing. */
export const isUnlimited = (queue: QueueFacts, version: string): boolean =>
  limitInForce(retentionOf(queue), version) === undefined

function ofTasks(queues: readonly TaskQueue[], version: string, setting: Setting): Found[] {
  const unlimited = queues.filter((each) => isUnlimited(each, version))
  const hasty = queues.filter((each) => (limitInForce(retentionOf(each), version) ?? 2) < 2)
  return [
    ...(unlimited.length === 0
      ? []
      : [
          {
            severity: 'hurts' as const,
            finding: `No delivery limit is in force on ${listed(unlimited.map(({ name }) => name))}.`,
            why: 'A message that kills its worker, or is never acknowledged, is redelivered forever and keeps killing workers.',
            fix: loadDefinitions(setting, unlimited[0]?.service),
          },
        ]),
    ...hasty.map((queue) => ({
      severity: 'hurts' as const,
      finding: `The delivery limit of ${queue.name} is ${limitInForce(retentionOf(queue), version)}.`,
      why: 'One lost connection is enough to dead-letter healthy messages.',
      fix: loadDefinitions(setting, queue.service),
    })),
  ]
}

function ofDeadLetters(queues: readonly QueueFacts[], version: string, setting: Setting): Found[] {
  const dropsToday = atLeast(version, 4, 0)
  return queues.flatMap((queue): Found[] => {
    const retention = retentionOf(queue)
    if (retention.deadLetterExchange !== undefined) return []
    const limit = limitInForce(retention, version)
    // Before 4.0 a queue without a limit has none.
    if (limit !== undefined && limit >= LEAST_FOR_DEAD_LETTERS) return []
    if (limit === undefined && (dropsToday || retention.deliveryLimit !== undefined)) return []
    const drops = limit !== undefined
    return [
      {
        severity: drops ? 'loses' : 'hurts',
        finding: drops
          ? `The dead-letter queue ${queue.name} drops a message after ${limit} deliveries.`
          : `The dead-letter queue ${queue.name} has no policy with a delivery limit.`,
        why: drops
          ? 'Inspecting a dead letter and returning it counts as a delivery up to RabbitMQ 4.2; a connection lost during that counts on all versions.'
          : 'From RabbitMQ 4.0 on it drops a dead letter after 20 inspections; on 3.x each inspection moves it to the end of the queue.',
        fix: `Give it a delivery-limit of ${DEAD_LETTER_DELIVERY_LIMIT}: ${loadDefinitions(setting)}`,
      },
    ]
  })
}
