/** Whether all nodes of the cluster run, and there are enough of them. */
import { check, type Found } from '../check.js'
import { listed } from '../finding.js'

export const nodes = check(
  'nodes',
  'all nodes of the cluster run, and there are three or more',
  ['cluster'],
  ({ cluster }) => {
    const all = cluster.nodes
    const down = all.filter(({ running }) => !running).map(({ name }) => name)
    const found: Found[] = []
    if (down.length > 0) {
      const majority = all.length - down.length > all.length / 2
      found.push({
        severity: 'hurts',
        finding: `${listed(down)} ${down.length > 1 ? 'do' : 'does'} not run, of ${all.length} nodes.`,
        why: majority
          ? 'Quorum queues continue with one copy fewer; classic queues on it wait for it.'
          : 'There is no majority: quorum queues neither accept nor deliver messages. Confirmed messages are kept.',
        fix: 'Start it again, with its data. For a node that will not return: rabbitmqctl forget_cluster_node, once a new node has joined.',
      })
    }
    if (all.length < 3) {
      found.push({
        severity: 'note',
        finding: all.length === 1 ? 'The cluster has one node.' : 'The cluster has two nodes.',
        why:
          all.length === 1
            ? 'Nothing is replicated: when it stops, all work stops, and its disk holds the only copy.'
            : 'Quorum queues need both nodes: two nodes are less available than one.',
        fix: 'Run three nodes: rabbitmqctl join_cluster on each further one, then rabbitmq-queues grow.',
      })
    }
    return found
  },
)
