/** Faults of the result store: killed, stopped. Results wait for it, and no message is acknowledged meanwhile. */
import type { Drill } from '../drill.js'

export const killStore: Drill = {
  name: 'kill-store',
  does: 'Kills the result store, leaves it away for some seconds, and starts it again.',
  holds: 'Workers hold what they cannot store, and go on by themselves when the store is back with all it had.',
  async fault({ drillCluster: { cluster }, mark, hold }) {
    mark('fault', 'Killed the result store (SIGKILL)')
    await cluster.killProcess('valkey')
    await hold(4_000)
    await cluster.startProcess('valkey')
    mark('repair', 'The result store is back')
  },
}

export const restartStore: Drill = {
  name: 'restart-store',
  does: 'Restarts the result store.',
  holds: 'Results wait for it, and none is lost.',
  async fault({ drillCluster: { cluster }, mark }) {
    mark('fault', 'Restarting the result store')
    await cluster.restartProcess('valkey')
    mark('repair', 'The result store is back')
  },
}
