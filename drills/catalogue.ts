/** Every drill, in the order in which `warren drill all` runs them. */
import type { Drill } from './drill.js'
import { nodeDrills } from './faults/node.js'
import { killStore, restartStore } from './faults/store.js'
import { freezeWorker, killWorker, scaleDown, stopWorker } from './faults/worker.js'

export const drills: readonly Drill[] = [
  killWorker,
  stopWorker,
  freezeWorker,
  scaleDown,
  ...nodeDrills,
  killStore,
  restartStore,
]
