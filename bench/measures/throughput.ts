import type { QueueType } from 'warren'
import { rivals } from '../rivals/index.js'
import type { Rival } from '../rivals/rival.js'
import { type Claim, type Finding, type Measure, type Scene, Tally } from './measure.js'
import { cpuDetails, inTurn } from './sample.js'

const CONTENDERS = [
  rivals.warren,
  rivals.warrenPacks,
  rivals.bare,
  rivals.bareWithoutResults,
  rivals.bullmq,
  rivals.bullmqSynced,
  rivals.celery,
  rivals.celeryReference,
]

const variantOf = (queueType: QueueType, workers: number) =>
  `${queueType}, ${workers} ${workers === 1 ? 'worker' : 'workers'}`

/** BullMQ has queues of one kind, in the store: it stands beside both kinds of RabbitMQ's. */
function throughput(
  name: string,
  queueType: QueueType,
  workerCounts: readonly number[],
  rounds: number,
  contenders: readonly Rival[] = CONTENDERS,
): Measure {
  return {
    name,
    does: `Tasks a second that do nothing, on a ${queueType} queue, from the first send until the last result is with the client.`,
    rounds,
    needs: ['bullmq', 'celery', 'postgres'],
    async run({ ground, rounds: all, quick, say, cast }: Scene): Promise<Finding> {
      const tally = new Tally()
      for (const workers of workerCounts) {
        const variant = variantOf(queueType, workers)
        const casts = cast(contenders).map((rival) => ({ rival, field: { queueType }, workers }))
        await inTurn(ground, { casts, rounds: all, seconds: quick ? 1 : 2 }, ({ rival }, taken, round) => {
          const of = { rival: rival.name, variant, unit: 'tasks/s', configuration: rival.configuration }
          tally.add(of, taken.perSecond, cpuDetails(taken))
          say(`${variant}, round ${round}: ${rival.name} ${Math.round(taken.perSecond)} tasks/s`)
        })
      }
      return { series: tally.series, claims: queueType === 'quorum' && workerCounts.includes(5) ? claims(tally) : [] }
    },
  }
}

const PACKS = 'With results, 5 workers, quorum: packs to single messages'

function claims(tally: Tally): Claim[] {
  const variant = variantOf('quorum', 5)
  const what = 'With results, 5 workers, quorum: Warren to'
  const { celery, bare, bullmq, warren, warrenPacks } = rivals
  return [
    ...tally.compare(variant, warren.name, PACKS, { atLeast: 2.5 }, warrenPacks.name),
    ...tally.compare(variant, celery.name, `${what} Celery, tuned`, { atLeast: 15 }),
    ...tally.compare(variant, bare.name, `${what} bare amqplib`, { atLeast: 1.1 }),
    ...tally.compare(variant, bullmq.name, `${what} BullMQ`, { atLeast: 1 }),
    ...tally.compare(variant, rivals.bullmqSynced.name, `${what} BullMQ with appendfsync always`, { atLeast: 2 }),
  ]
}

export const quorumThroughput = throughput('throughput', 'quorum', [5], 10)
export const fewWorkersThroughput = throughput('throughput-few', 'quorum', [1, 2], 5)
export const classicThroughput = throughput('throughput-classic', 'classic', [1, 2, 5], 5)

/** Beside those that keep their tasks in a database, and sync each write to the disk. */
export const databaseThroughput = throughput('throughput-databases', 'quorum', [5], 8, [
  rivals.warren,
  rivals.warrenPacks,
  rivals.bullmqSynced,
  rivals.graphileWorker,
  rivals.graphileWorkerBatched,
  rivals.pgBoss,
])

/** Which of its pools is the fastest, and so stands beside Warren as `celery`. */
export const celeryPools = throughput('celery-pools', 'quorum', [5], 5, [
  rivals.celery,
  rivals.celeryPrefork,
  rivals.celeryThreadPool,
])
