/**
 * A network partition: one node cannot talk to the two others, while clients reach all three.
 *
 * It is made inside the node, without touching the machine's network and without root: the node gets a wrong Erlang
 * cookie for each of its peers and hangs up, so that neither side can connect to the other. The cookie lives in the
 * node's memory only: whatever becomes of the drill, a restart of the node heals it.
 */
import type { Drill } from '../drill.js'
import { nodeNames } from '../nodes.js'

const HOLD_MS = 8_000

export const partition: Drill = {
  name: 'partition',
  does: 'Cuts the leader of the payment queue off from both other nodes, while clients still reach all three.',
  holds: 'The two others elect a leader and continue; the isolated node rejoins them without losing anything.',
  async prepare({ drillCluster }) {
    await drillCluster.separateLeader()
  },
  async fault({ drillCluster, mark, hold, signal }) {
    const node = await drillCluster.leader()
    const peers = nodeNames.filter((name) => name !== node).map((name) => `'${name}@localhost'`)
    const evaluate = (expression: string) =>
      drillCluster.cluster.rabbitmqctl(Number(node.slice(-1)), ['eval', expression])
    const list = `Peers = [${peers.join(', ')}]`
    mark('fault', `Cutting ${node} off from the other nodes`)
    await evaluate(
      `${list}, [erlang:set_cookie(P, 'cut off by a drill') || P <- Peers], [erlang:disconnect_node(P) || P <- Peers].`,
    )
    mark('seen', `${node} is cut off`)
    await hold(HOLD_MS)
    mark('phase', `The network between ${node} and the others is whole again`)
    // Both at once, as a network does it: RabbitMQ picks its sides by whom it has met.
    await evaluate(
      `${list}, [erlang:set_cookie(P, erlang:get_cookie()) || P <- Peers], [spawn(net_kernel, connect_node, [P]) || P <- Peers].`,
    )
    mark('repair', 'The network is whole')
    const restarted = await drillCluster.heal(signal)
    if (restarted !== undefined) {
      mark('repair', `The other nodes still took ${restarted} for down, which runs: the launcher restarted it`)
    }
    mark('seen', 'All nodes, queues and workers are healthy again')
  },
}
