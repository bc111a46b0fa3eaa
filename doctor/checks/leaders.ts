/** Whether the leaders of quorum queues are spread across the nodes. */
import { check } from '../check.js'
import { warrens } from '../warrens.js'

/** With fewer queues one node may lead them all by chance. */
const FEWEST = 5
const TOO_MUCH = 0.8

export const leaders = check(
  'leaders',
  'the leaders of quorum queues are not all on one node',
  ['topology', 'cluster'],
  ({ topology, cluster, tasks }) => {
    const running = cluster.nodes.filter((node) => node.running).length
    const counts = new Map<string, number>()
    for (const { type, node, members } of warrens(topology, tasks).all) {
      if (type === 'quorum' && node !== undefined && members.length > 1) counts.set(node, (counts.get(node) ?? 0) + 1)
    }
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
    const [node, most] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? ['', 0]
    if (running < 2 || total < FEWEST || most <= TOO_MUCH * total) return []
    return [
      {
        severity: 'hurts',
        finding: `${node} leads ${most} of ${total} quorum queues.`,
        why: 'It does nearly all the work, and when it stops, all these queues pause until each has a new leader.',
        fix: 'rabbitmq-queues rebalance quorum; and queue_leader_locator = balanced in rabbitmq.conf, for new queues.',
      },
    ]
  },
)
