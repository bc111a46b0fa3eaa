/** All measures, in the order in which they are run. */
import type { Measure } from './measure.js'
import { publish } from './publish.js'
import { classicThroughput, fewWorkersThroughput, quorumThroughput } from './throughput.js'

export const measures: readonly Measure[] = [publish, quorumThroughput, fewWorkersThroughput, classicThroughput]
