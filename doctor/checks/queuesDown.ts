/** Whether queues work on running nodes. */
import { check, type Found } from '../check.js'
import { listed } from '../finding.js'
import { word } from '../fixes.js'
import { warrens } from '../warrens.js'

/** The states in which a queue does not work. */
const DARK = ['down', 'stopped', 'crashed', 'minority']

export const queuesDown = check(
  'queues-down',
  'no queue is down while its node runs, and each quorum queue has a majority',
  ['topology', 'cluster'],
  ({ topology, cluster, tasks, virtualHost: host }, { vhost }) => {
    const running = new Set(cluster.nodes.filter((node) => node.running).map(({ name }) => name))
    // A queue that is down with its node or virtual host is reported by those checks.
    const works = (node: string): boolean => running.has(node) && (host?.states[node] ?? 'running') === 'running'
    return warrens(topology, tasks).all.flatMap((queue): Found[] => {
      const { name, type, state, node, members } = queue
      if (state === undefined || !DARK.includes(state)) return []
      if (type !== 'quorum') {
        if (node === undefined || !works(node)) return []
        return [
          {
            severity: 'hurts',
            finding: `RabbitMQ calls the queue ${name} ${state}, although its node ${node} runs.`,
            why: 'Messages for it are returned as unroutable, and its workers wait.',
            fix: `Restart ${node}: durable queues keep their persistent messages.`,
          },
        ]
      }
      const awake = members.filter(works)
      // Too few nodes: those that are down are named as such.
      if (awake.length <= members.length / 2) return []
      return [
        {
          severity: 'hurts',
          finding: `The quorum queue ${name} is ${state}: it has no leader, although ${listed(awake)} run.`,
          why: 'It neither accepts nor delivers messages. Confirmed messages are kept.',
          fix: `rabbitmq-queues quorum_status -p ${word(vhost)} ${word(name)} shows which member is behind; restart the node of that member.`,
        },
      ]
    })
  },
)
