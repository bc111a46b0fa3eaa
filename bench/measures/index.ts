/** All measures, in the order in which they are run. */
import { backlog } from './backlog.js'
import { delays } from './delays.js'
import { payloadGrowth, queueGrowth, workerGrowth } from './growth.js'
import { history } from './history.js'
import { latency } from './latency.js'
import type { Measure } from './measure.js'
import { placement } from './placement.js'
import { publish } from './publish.js'
import { thousand } from './thousand.js'
import {
  celeryPools,
  classicThroughput,
  databaseThroughput,
  fewWorkersThroughput,
  quorumThroughput,
} from './throughput.js'
import { workerCost } from './workerCost.js'

export const measures: readonly Measure[] = [
  publish,
  quorumThroughput,
  fewWorkersThroughput,
  classicThroughput,
  databaseThroughput,
  thousand,
  workerCost,
  latency,
  backlog,
  payloadGrowth,
  workerGrowth,
  queueGrowth,
  placement,
  celeryPools,
  history,
  delays,
]
