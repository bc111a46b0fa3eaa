/** The restart drill: each node in turn, the way an upgrade does it. Run it with `--repeat 20`. */
import type { Drill } from '../drill.js'
import { nodeNames } from '../nodes.js'

export const rollingRestart: Drill = {
  name: 'rolling-restart',
  does: 'Restarts all three nodes, one after the other, each after the previous one is a full member again.',
  holds: 'All workers consume all queues again afterwards, each time.',
  async fault({ drillCluster, mark, signal }) {
    for (const [index, node] of nodeNames.entries()) {
      mark('fault', `Restarting ${node}`)
      await drillCluster.cluster.restartProcess(node)
      // The last one's return is the repair: what comes after it is the cluster's and Warren's to repair.
      mark(index === nodeNames.length - 1 ? 'repair' : 'seen', `${node} is back`)
      await drillCluster.whole(signal)
      mark('seen', `${node} is a member of every queue, and each worker consumes both queues`)
    }
  },
}
