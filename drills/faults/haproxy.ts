/** HAProxy, the one way in: while it is away nobody reaches a broker that is well. */
import type { Drill } from '../drill.js'

export const restartHaproxy: Drill = {
  name: 'restart-haproxy',
  does: 'Restarts HAProxy, through which every producer and worker is connected.',
  holds: 'All of them reconnect; unconfirmed messages are sent again, and unacknowledged ones run again.',
  recoverWithinMs: 15_000,
  async fault({ drillCluster: { cluster }, mark, hold }) {
    mark('fault', 'Stopped HAProxy')
    await cluster.stopProcess('haproxy')
    await hold(3_000)
    await cluster.startProcess('haproxy')
    mark('repair', 'HAProxy is back')
  },
}
