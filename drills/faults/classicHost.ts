/**
 * The loss of the classic queue's node. The queue is away with it: what is in there waits on its disk, and what comes is
 * refused, so that its sender knows. Payments, on their quorum queue, must not notice.
 */
import { queueName } from '../broker.js'
import type { Drill, Evidence } from '../drill.js'
import { WORKERS } from '../drillCluster.js'
import { seconds } from '../verdict.js'
import { WorkerLogs } from '../workerLogs.js'
import { nodeDrill, type Way } from './node.js'

/** How long after the node's return the queue may take to be worked on again. */
const PICK_UP_MS = 5_000
/** Which part of the stated rate payments must keep while the node is away, the moment of its loss left out. */
const FULL_RATE_SHARE = 0.9
const MOMENT_MS = 1_500
/** One when its connection or its queue is lost, one more when the one follows the other. */
const MOST_LINES = 2

function classicHostDrill(way: Way): Drill {
  const drill = nodeDrill(way, 'classic-host')
  return {
    ...drill,
    holds:
      'Payments continue at full rate; sends to the classic queue wait or are refused; each worker logs it once and consumes the queue again when its node is back.',
    needsClassic: true,
    async fault(scene) {
      const workers = Array.from({ length: WORKERS }, (_, index) => `worker-${index + 1}`)
      const logs = new WorkerLogs(scene.drillCluster.cluster.dir, workers)
      await drill.fault(scene)
      scene.numbers.set('lines', logs.mostLines(`Not consuming ${queueName('user')}`))
    },
    check: (evidence) => [
      ...(drill.check?.(evidence) ?? []),
      ...(way === 'freeze' ? [] : [...keptRate(evidence), ...pickedUp(evidence)]),
      ...(lines(evidence) > MOST_LINES ? [`a worker wrote ${lines(evidence)} lines about one lost queue`] : []),
    ],
    tell: (evidence) => [
      ...(drill.tell?.(evidence) ?? []),
      ...(way === 'freeze'
        ? []
        : [`The classic queue was consumed again ${seconds(pickUpMs(evidence))} after its node was back.`]),
      `The most lines that one worker logged about it: ${lines(evidence)} ${lines(evidence) === 1 ? 'line' : 'lines'}.`,
    ],
  }
}

const lines = ({ numbers }: Evidence): number => numbers.get('lines') ?? 0

function keptRate({ timeline, numbers, plan }: Evidence): string[] {
  const from = (numbers.get('awayFrom') ?? 0) + MOMENT_MS
  const to = numbers.get('awayTo') ?? 0
  const done = timeline.instants('finished', 'payment').filter((at) => at >= from && at < to).length
  const rate = (done * 1000) / (to - from)
  return rate >= plan.ratePerQueue * FULL_RATE_SHARE
    ? []
    : [`payments ran at ${Math.round(rate)} a second while the node was down, instead of ${plan.ratePerQueue}`]
}

/** From the node's return to the first task of the classic queue. */
function pickUpMs({ timeline, repairAt = 0, to }: Evidence): number {
  return (timeline.instants('finished', 'user').find((at) => at >= repairAt) ?? to) - repairAt
}

function pickedUp(evidence: Evidence): string[] {
  const took = pickUpMs(evidence)
  return took <= PICK_UP_MS
    ? []
    : [`the classic queue was consumed again only ${seconds(took)} after its node was back`]
}

export const classicHostDrills: readonly Drill[] = (['kill', 'stop', 'freeze'] as const).map(classicHostDrill)
