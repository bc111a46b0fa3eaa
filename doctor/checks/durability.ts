/** Whether queues and exchanges survive a restart, and idle times. */
import { commandsExchange, deadLetterExchange } from 'warren'
import { check, type Found } from '../check.js'
import { listed } from '../finding.js'
import { word } from '../fixes.js'
import { retentionOf } from '../retention.js'
import { warrens } from '../warrens.js'

export const durability = check(
  'durability',
  'queues and exchanges are durable, and are not deleted when unused',
  ['topology'],
  ({ topology, tasks }, { vhost }) => {
    const { all, domains } = warrens(topology, tasks)
    const transient = all.filter(({ durable }) => !durable).map(({ name }) => name)
    const leaving = all.filter((each) => each.autoDelete || each.exclusive).map(({ name }) => name)
    const expiring = all.filter((each) => retentionOf(each).expiresMs !== undefined)
    const exchanges = domains.flatMap(({ name }) => [commandsExchange(name), deadLetterExchange(name)])
    const passing = topology.exchanges.filter(({ name, durable }) => exchanges.includes(name) && !durable)
    const found: Found[] = []
    if (transient.length > 0) {
      found.push({
        severity: 'loses',
        finding: `${listed(transient)}: declared as not durable.`,
        why: 'It is gone, with its messages, when its node restarts.',
        fix: `Drain it, then rabbitmqctl delete_queue -p ${word(vhost)} ${word(transient[0] ?? '')} and start its service again.`,
      })
    }
    if (leaving.length > 0) {
      found.push({
        severity: 'loses',
        finding: `${listed(leaving)}: declared as auto-delete or exclusive.`,
        why: 'It is deleted, with its messages, when its last consumer leaves: at the next restart of the workers.',
        fix: `Drain it, then rabbitmqctl delete_queue -p ${word(vhost)} ${word(leaving[0] ?? '')} and start its service again.`,
      })
    }
    for (const queue of expiring) {
      found.push({
        severity: 'loses',
        finding: `${queue.name} is deleted after ${retentionOf(queue).expiresMs} ms without a consumer (expires${queue.policy === undefined ? '' : `, by the policy ${queue.policy}`}).`,
        why: 'A queue that expires is deleted together with its messages.',
        fix: `Remove expires from the policy: rabbitmqctl list_policies -p ${word(vhost)} shows it.`,
      })
    }
    for (const { name } of passing) {
      found.push({
        severity: 'hurts',
        finding: `The exchange ${name} is not durable.`,
        why: 'It is gone after a restart of its node, and a worker that declares it as durable is refused.',
        fix: 'Delete it and start the service again, which declares it; for a dead-letter exchange load the definitions.',
      })
    }
    return found
  },
)
