/** Whether a queue's own policy is the one in force: a queue has one policy, the one with the highest priority. */
import { check, type Found } from '../check.js'
import { clearPolicy, word } from '../fixes.js'
import { isOverruled, isTie, matching, ownPolicy } from '../policy.js'
import { limitInForce, retentionOf } from '../retention.js'
import type { PolicyFacts, Setting, TopologyFacts } from '../snapshot.js'
import { type TaskQueue, warrens } from '../warrens.js'
import { troubleOf } from './deadLettering.js'

export const hiddenPolicies = check(
  'hidden-policies',
  'no other policy overrides a queue’s own',
  ['topology', 'policies'],
  ({ topology, policies, tasks }, setting) => {
    const { tasks: queues, dead } = warrens(topology, tasks)
    const wrapped = dead.map((queue): TaskQueue => ({ ...queue, domain: '', task: undefined, service: undefined }))
    return [...queues, ...wrapped].flatMap((queue) => {
      if (queue.effective === undefined) return []
      if (isOverruled(queue, policies)) return overruled(queue, policies, topology, setting)
      return tied(queue, policies, setting)
    })
  },
)

function overruled(
  queue: TaskQueue,
  policies: readonly PolicyFacts[],
  topology: TopologyFacts,
  setting: Setting,
): Found[] {
  const own = ownPolicy(queue, policies)
  const other = policies.find(({ name }) => name === queue.policy)
  const lost = lacking(queue, own, topology)
  // A higher policy with all required keys is the usual way to change a TTL manually.
  if (lost.length === 0) return []
  return [
    {
      severity: lost.some(({ loses }) => loses) ? 'loses' : 'hurts',
      finding:
        queue.policy === undefined
          ? `The policy ${queue.name} exists but does not apply to the queue ${queue.name}: its pattern or apply-to is wrong.`
          : `The policy ${queue.policy}${other === undefined ? '' : `, of priority ${other.priority},`} hides ${queue.name}, of priority ${own?.priority ?? 0}: a queue has one policy.`,
      why: `So the queue has ${lost.map(({ what }) => what).join(', ')}.`,
      fix:
        queue.policy === undefined
          ? `rabbitmqctl set_policy -p ${word(setting.vhost)} --apply-to queues ${word(queue.name)} ...: set it again with its pattern, or load the definitions.`
          : `${clearPolicy(setting, queue.policy)}, or give it a pattern that does not match ${queue.name}.`,
    },
  ]
}

/** Keys that the queue's own policy sets and the policy in force does not. */
function lacking(
  queue: TaskQueue,
  own: PolicyFacts | undefined,
  topology: TopologyFacts,
): { what: string; loses: boolean }[] {
  const [want, has] = [retentionOf(queue, own?.definition ?? {}), retentionOf(queue)]
  const lost: { what: string; loses: boolean }[] = []
  if (want.deadLetterExchange !== undefined) {
    const trouble = troubleOf(queue, has, topology)
    if (trouble?.kind === 'none') lost.push({ what: 'no dead-letter exchange', loses: true })
    else if (trouble?.kind === 'weak') lost.push({ what: 'dead letters forwarded at most once', loses: true })
    else if (trouble !== undefined)
      lost.push({ what: 'a dead-letter exchange that is not bound to a queue', loses: !trouble.kept })
  }
  if (queue.type === 'quorum' && want.deliveryLimit !== undefined) {
    const [limit, wanted] = [limitInForce(has, topology.version), want.deliveryLimit]
    // For a dead-letter queue, a lower limit loses messages.
    const isDead = want.deadLetterExchange === undefined
    if (limit === undefined && !isDead) lost.push({ what: 'no delivery limit', loses: false })
    if (isDead && limit !== undefined && limit < wanted)
      lost.push({ what: `a delivery limit of ${limit}`, loses: true })
    if (isDead && limit === undefined) lost.push({ what: 'no delivery limit of its own', loses: false })
  }
  if (want.messageTtlMs !== undefined && has.messageTtlMs === undefined) {
    lost.push({ what: 'no time to live', loses: false })
  }
  if (want.messageTtlMs === undefined && has.messageTtlMs !== undefined) {
    lost.push({ what: `a time to live of ${has.messageTtlMs} ms`, loses: has.deadLetterExchange === undefined })
  }
  return lost
}

/** Two policies with the same priority: RabbitMQ applies either of them. */
function tied(queue: TaskQueue, policies: readonly PolicyFacts[], setting: Setting): Found[] {
  const all = matching(queue, policies) ?? []
  const [first] = all
  if (first === undefined || !isTie(all)) return []
  const others = all.filter(({ priority, name }) => priority === first.priority && name !== queue.name)
  const differing = others.filter((each) => JSON.stringify(each.definition) !== JSON.stringify(first.definition))
  const [other] = differing.length > 0 ? others : []
  if (other === undefined) return []
  return [
    {
      severity: 'hurts',
      finding: `Several policies of priority ${first.priority} match ${queue.name}: ${all
        .filter(({ priority }) => priority === first.priority)
        .map(({ name }) => name)
        .join(' and ')}.`,
      why: 'A queue has one policy. Which one RabbitMQ applies is undefined, and may change when either is updated.',
      fix: `${clearPolicy(setting, other.name)}, or give it a lower priority or a narrower pattern.`,
    },
  ]
}
