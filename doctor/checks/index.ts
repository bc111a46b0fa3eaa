/** All checks, in the order in which a report has their findings. */
import type { Check } from '../check.js'
import { alarms } from './alarms.js'
import { bindings } from './bindings.js'
import { nodeClocks, storeClock } from './clocks.js'
import { connection } from './connection.js'
import { consumerTimeout } from './consumerTimeout.js'
import { deadLettering } from './deadLettering.js'
import { deadLetterQueues } from './deadLetterQueues.js'
import { delayLevels } from './delayLevels.js'
import { delaysMoving } from './delaysMoving.js'
import { deliveryLimit } from './deliveryLimit.js'
import { durability } from './durability.js'
import { leaders } from './leaders.js'
import { members } from './members.js'
import { nodes } from './nodes.js'
import { partitions } from './partitions.js'
import { permissions } from './permissions.js'
import { hiddenPolicies } from './policies.js'
import { queuesDown } from './queuesDown.js'
import { queueTypes } from './queueTypes.js'
import { storeEviction } from './storeEviction.js'
import { storePersistence } from './storePersistence.js'
import { storeWrites } from './storeWrites.js'
import { versions } from './versions.js'
import { virtualHost } from './virtualHost.js'

export const checks: readonly Check[] = [
  connection,
  nodes,
  partitions,
  alarms,
  virtualHost,
  queuesDown,
  deadLettering,
  deadLetterQueues,
  durability,
  deliveryLimit,
  hiddenPolicies,
  members,
  leaders,
  bindings,
  queueTypes,
  consumerTimeout,
  delayLevels,
  delaysMoving,
  permissions,
  versions,
  storeWrites,
  storeEviction,
  storePersistence,
  nodeClocks,
  storeClock,
]
