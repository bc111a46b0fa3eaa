import { rivals } from '../rivals/index.js'
import { interleaved } from '../statistics.js'
import type { Finding, Measure, Scene } from './measure.js'
import { Tally } from './measure.js'
import { cpuDetails, type SampleOptions, sample } from './sample.js'

interface Point {
  readonly variant: string
  readonly options: Omit<SampleOptions, 'rival' | 'seconds'>
}

/** Both are measured at each point, so that what belongs to the broker can be told from what belongs to Warren. */
const CONTENDERS = [rivals.warren, rivals.bare]

const payloads: Point[] = [100, 1_000, 10_000, 100_000, 1_000_000].map((bytes) => ({
  variant: `${bytes.toLocaleString('en-US')} bytes`,
  // No more than 200 MB wait in the broker.
  options: { workers: 2, bytes, maxCount: Math.max(100, 200_000_000 / bytes) },
}))

const workers: Point[] = [1, 2, 5, 10, 20, 50].map((count) => ({
  variant: `${count} workers`,
  options: { workers: count },
}))

const queues: Point[] = [1, 10, 100].map((count) => ({
  variant: `${count} queues`,
  options: { workers: 2, field: { queues: count } },
}))

const growth = (name: string, what: string, points: readonly Point[]): Measure => ({
  name,
  does: `How tasks a second, with results on quorum queues, change with ${what}.`,
  rounds: 2,
  needs: [],
  async run({ ground, rounds, quick, say }: Scene): Promise<Finding> {
    const tally = new Tally()
    const turns = points.flatMap((point) => CONTENDERS.map((rival) => ({ point, rival })))
    for (const { round, contender } of interleaved(rounds, turns)) {
      const { point, rival } = contender
      const taken = await sample(ground, { rival, seconds: quick ? 1 : 3, ...point.options })
      const of = { rival: rival.name, variant: point.variant, unit: 'tasks/s', configuration: rival.configuration }
      tally.add(of, taken.perSecond, cpuDetails(taken))
      say(`${point.variant}, round ${round}: ${rival.name} ${Math.round(taken.perSecond)} tasks/s`)
    }
    return { series: tally.series, claims: [] }
  },
})

export const payloadGrowth = growth('growth-payload', 'the size of the input (2 workers)', payloads)
export const workerGrowth = growth('growth-workers', 'the number of workers', workers)
export const queueGrowth = growth(
  'growth-queues',
  'the number of queues that the tasks are spread over (2 workers)',
  queues,
)
