/** Whether the virtual host runs on every node that runs. */
import { check, type Found } from '../check.js'
import { word } from '../fixes.js'

export const virtualHost = check(
  'virtual-host',
  'the virtual host runs on every node that runs',
  ['virtualHost', 'cluster'],
  ({ virtualHost: { states }, cluster }, { vhost }) => {
    const running = new Set(cluster.nodes.filter((node) => node.running).map(({ name }) => name))
    return Object.entries(states)
      .filter(([node, state]) => state !== 'running' && running.has(node))
      .map(
        ([node]): Found => ({
          severity: 'hurts',
          finding: `The virtual host ${vhost} does not run on ${node}, which does.`,
          why: 'That node refuses connections to it, and its classic queues there are unavailable.',
          fix: `rabbitmqctl -n ${node} restart_vhost -p ${word(vhost)}; if it stays down, restart the node and read its log.`,
        }),
      )
  },
)
