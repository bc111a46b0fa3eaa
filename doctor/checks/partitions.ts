/** Whether the nodes see each other. */
import { check, type Found } from '../check.js'
import { listed } from '../finding.js'

export const partitions = check('partitions', 'no node was cut off from the others', ['cluster'], ({ cluster }) =>
  cluster.nodes.flatMap(({ name, partitions: from }): Found[] =>
    from.length === 0
      ? []
      : [
          {
            severity: 'loses',
            finding: `${name} was partitioned from ${listed(from)}.`,
            why: "Each side continues alone. When the partition heals, one side's changes are discarded: queues declared there, and messages of classic queues.",
            fix: `Restore the network. If the partition lasts for a minute, restart the side with fewer clients: rabbitmqctl -n ${name} stop_app && rabbitmqctl -n ${name} start_app`,
          },
        ],
  ),
)
