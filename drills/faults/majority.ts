/** Two of three nodes at once: the payment queue has no majority, and waits until it has one again. */
import { type Drill, pauseOf } from '../drill.js'
import { nodeNames } from '../nodes.js'
import { seconds } from '../verdict.js'

export const loseMajority: Drill = {
  name: 'lose-majority',
  does: 'Kills two of three nodes at once, the leader of the payment queue among them, and brings them back.',
  holds:
    'Sends wait and report how they ended; no confirmed message is lost, and everything continues once there is a majority.',
  async prepare({ drillCluster }) {
    await drillCluster.separateLeader()
  },
  async fault({ drillCluster, mark, hold }) {
    const { cluster } = drillCluster
    const leader = await drillCluster.leader()
    const host = await drillCluster.classicHost()
    // The classic queue's node stays: what is left of the cluster is worth looking at too.
    const other = nodeNames.find((name) => name !== leader && name !== host) as string
    mark('fault', `Killed ${leader} and ${other} at once: one node of three is left`)
    await Promise.all([cluster.killProcess(leader), cluster.killProcess(other)])
    await hold(6_000)
    mark('phase', `Starting ${leader} and ${other} again`)
    await Promise.all([cluster.startProcess(leader), cluster.startProcess(other)])
    mark('repair', 'Three nodes are up again')
  },
  tell: (evidence) => [
    `Payments were confirmed again after ${seconds(pauseOf(evidence, 'confirmed', 'payment'))} without a majority.`,
  ],
}
