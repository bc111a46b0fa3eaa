/** Whether quorum queues have a member on enough nodes. */
import { check, type Found } from '../check.js'
import { listed } from '../finding.js'
import { growQueues, word } from '../fixes.js'
import type { NodeFacts, QueueFacts, Setting } from '../snapshot.js'
import { warrens } from '../warrens.js'

/** RabbitMQ's own number of members; more are of use only to those who ask for them. */
const ENOUGH = 3

export const members = check(
  'members',
  'quorum queues have a member on each node, or on three of them',
  ['topology', 'cluster'],
  ({ topology, cluster, tasks }, setting) => {
    const { all, tasks: queues } = warrens(topology, tasks)
    const quorum = all.filter(({ type, members: own }) => type === 'quorum' && own.length > 0)
    return [
      ...thin(quorum, cluster.nodes, setting),
      ...strangers(quorum, cluster.nodes, setting),
      ...asleep(quorum, cluster.nodes),
      ...alone(queues, cluster.nodes),
    ]
  },
)

function thin(queues: readonly QueueFacts[], nodes: readonly NodeFacts[], setting: Setting): Found[] {
  const known = nodes.map(({ name }) => name)
  const wanted = Math.min(known.length, ENOUGH)
  const short = queues.filter((each) => each.members.filter((member) => known.includes(member)).length < wanted)
  if (short.length === 0) return []
  const least = Math.min(...short.map((each) => each.members.length))
  const missing = known.filter((node) => short.some((each) => !each.members.includes(node)))
  return [
    {
      severity: 'hurts',
      finding: `${listed(short.map(({ name }) => name))} ${short.length > 1 ? 'have' : 'has'} ${least === 1 ? 'one member' : `${least} members`} in a cluster of ${known.length} nodes.`,
      why:
        least === 1
          ? 'The queue stops when that node does, and is lost with its disk.'
          : 'Without one of these nodes the queue has no majority: it neither accepts nor delivers messages.',
      fix: growQueues(setting, missing),
    },
  ]
}

/** Members on nodes that left the cluster count towards the majority that is needed. */
function strangers(queues: readonly QueueFacts[], nodes: readonly NodeFacts[], { vhost }: Setting): Found[] {
  const known = nodes.map(({ name }) => name)
  return queues.flatMap((queue): Found[] => {
    const gone = queue.members.filter((member) => !known.includes(member))
    const [first] = gone
    if (first === undefined) return []
    return [
      {
        severity: 'hurts',
        finding: `${queue.name} has a member on ${listed(gone)}, which is not in the cluster.`,
        why: 'It counts towards the majority that the queue needs, and never answers.',
        fix: `rabbitmq-queues delete_member -p ${word(vhost)} ${word(queue.name)} ${word(first)}`,
      },
    ]
  })
}

function asleep(queues: readonly QueueFacts[], nodes: readonly NodeFacts[]): Found[] {
  const running = nodes.filter((node) => node.running).map(({ name }) => name)
  return running.flatMap((node): Found[] => {
    const away = queues.filter(
      ({ members: own, online }) => online.length > 0 && own.includes(node) && !online.includes(node),
    )
    if (away.length === 0) return []
    return [
      {
        severity: 'hurts',
        finding: `The member of ${listed(away.map(({ name }) => name))} on ${node} does not run, although the node does.`,
        why: 'The queue has one copy fewer than it seems: it may stop when another node does.',
        fix: `Restart ${node}; its log says why the member did not start.`,
      },
    ]
  })
}

/** Intended by whoever chose a classic queue, but worth knowing. */
function alone(queues: readonly QueueFacts[], nodes: readonly NodeFacts[]): Found[] {
  const classic = queues.filter(({ type }) => type === 'classic')
  if (classic.length === 0 || nodes.length < 2) return []
  return [
    {
      severity: 'note',
      finding: `${listed(classic.map(({ name }) => name))}: a classic queue, which lives on one node.`,
      why: 'While that node is down its tasks are refused and wait; they are lost with its disk.',
      fix: "For a replicated queue: defineTask({ queue: { type: 'quorum' } }), and docs/guide/topology.md on changing a queue's type.",
    },
  ]
}
