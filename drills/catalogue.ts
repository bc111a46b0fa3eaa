/** Every drill, in the order in which `warren drill all` runs them. */
import type { Drill } from './drill.js'
import { cancelRace } from './faults/cancelRace.js'
import { classicHostDrills } from './faults/classicHost.js'
import { cutConnection, halfOpen } from './faults/connection.js'
import { delayed } from './faults/delayed.js'
import { flood, floodKillDeadLetters } from './faults/flood.js'
import { flow } from './faults/flow.js'
import { restartHaproxy } from './faults/haproxy.js'
import { killLeader } from './faults/leader.js'
import { limits } from './faults/limits.js'
import { loseMajority } from './faults/majority.js'
import { memoryAlarm } from './faults/memoryAlarm.js'
import { nodeDrill } from './faults/node.js'
import { noisyKey } from './faults/noisyKey.js'
import { order } from './faults/order.js'
import { partition } from './faults/partition.js'
import { poison } from './faults/poison.js'
import { rollingRestart } from './faults/rollingRestart.js'
import { schedule } from './faults/schedule.js'
import { killStore, restartStore } from './faults/store.js'
import { storeFailover } from './faults/storeFailover.js'
import { freezeWorker, killWorker, scaleDown, stopWorker } from './faults/worker.js'

export const drills: readonly Drill[] = [
  killWorker,
  stopWorker,
  freezeWorker,
  scaleDown,
  poison,
  killLeader,
  nodeDrill('stop', 'leader'),
  nodeDrill('freeze', 'leader'),
  nodeDrill('kill', 'follower'),
  nodeDrill('stop', 'follower'),
  nodeDrill('freeze', 'follower'),
  ...classicHostDrills,
  loseMajority,
  rollingRestart,
  delayed,
  partition,
  restartHaproxy,
  killStore,
  restartStore,
  memoryAlarm,
  flood,
  floodKillDeadLetters,
  halfOpen,
  cutConnection,
  schedule,
  cancelRace,
  limits,
  noisyKey,
  order,
  flow,
  // Last: it has a cluster of its own.
  storeFailover,
]
