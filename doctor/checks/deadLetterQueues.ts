/** Whether dead-letter queues keep their messages. */
import { check, type Found } from '../check.js'
import { exactly, loadDefinitions, word } from '../fixes.js'
import { isAtLeastOnce, retentionOf } from '../retention.js'
import type { QueueFacts, Setting } from '../snapshot.js'
import { type TaskQueue, warrens } from '../warrens.js'

export const deadLetterQueues = check(
  'dead-letter-queues',
  'dead-letter queues are replicated, and neither expire nor drop their messages',
  ['topology'],
  ({ topology, tasks }, setting) => {
    const { dead, domains } = warrens(topology, tasks)
    return dead.flatMap((queue) => {
      const sources = domains.filter(({ name }) => queue.name.startsWith(`${name}.`)).flatMap((each) => each.queues)
      return [...classic(queue, sources, setting), ...dropping(queue, setting)]
    })
  },
)

function classic(queue: QueueFacts, sources: readonly TaskQueue[], setting: Setting): Found[] {
  if (queue.type !== 'classic') return []
  const unsure = sources.filter((each) => !isAtLeastOnce(each, retentionOf(each)))
  return [
    {
      severity: unsure.length > 0 ? 'loses' : 'hurts',
      finding: `The dead-letter queue ${queue.name} is a classic queue: it lives on one node.`,
      why:
        unsure.length > 0
          ? `While that node is down, RabbitMQ drops what ${unsure.map(({ name }) => name).join(' and ')} would dead-letter.`
          : 'While that node is down nothing can be dead-lettered: task queues keep expired messages, and workers hold failed ones.',
      fix: `Send its messages back or move them, then rabbitmqctl delete_queue -p ${word(setting.vhost)} ${word(queue.name)} --if-empty && ${loadDefinitions(setting, sources[0]?.service)}`,
    },
  ]
}

function dropping(queue: QueueFacts, setting: Setting): Found[] {
  if (queue.effective === undefined) return []
  const { messageTtlMs, limited, overflow, deadLetterExchange } = retentionOf(queue)
  if (deadLetterExchange !== undefined) return []
  const limits = [
    ...(messageTtlMs === undefined ? [] : [`after ${messageTtlMs} ms`]),
    ...(limited && overflow !== 'reject-publish' ? ['once it is full'] : []),
  ]
  if (limits.length === 0) return []
  const fix =
    queue.policy === undefined
      ? 'These are arguments of the queue: move its messages, delete it and declare it without them.'
      : `Narrow the policy's pattern, so that it no longer matches ${exactly(queue.name)}: rabbitmqctl list_policies -p ${word(setting.vhost)} shows it.`
  return [
    {
      severity: 'loses',
      finding: `The dead-letter queue ${queue.name} drops dead letters ${limits.join(' and ')}${queue.policy === undefined ? '' : `, by the policy ${queue.policy}`}.`,
      why: 'Dead letters may be lost before anybody has inspected them.',
      fix,
    },
  ]
}
