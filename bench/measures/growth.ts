import { rivals } from '../rivals/index.js'
import type { Finding, Measure, Scene } from './measure.js'
import { Tally } from './measure.js'
import { type Cast, cpuDetails, inTurn } from './sample.js'

interface Point {
  readonly variant: string
  readonly cast: Omit<Cast, 'rival'>
}

/** Both are measured at each point, so that what belongs to the broker can be told from what belongs to Warren. */
const CONTENDERS = [rivals.warren, rivals.bare]

const payloads: Point[] = [100, 1_000, 10_000, 100_000, 1_000_000].map((bytes) => ({
  variant: `${bytes.toLocaleString('en-US')} bytes`,
  // No more than 200 MB wait in the broker.
  cast: { workers: 2, bytes, maxCount: Math.max(100, 200_000_000 / bytes) },
}))

const workers: Point[] = [1, 2, 5, 10, 20, 50].map((count) => ({
  variant: `${count} workers`,
  cast: { workers: count },
}))

const queues: Point[] = [1, 10, 100].map((count) => ({
  variant: `${count} queues`,
  cast: { workers: 2, field: { queues: count } },
}))

const growth = (name: string, what: string, points: readonly Point[]): Measure => ({
  name,
  does: `How tasks a second, with results on quorum queues, change with ${what}.`,
  rounds: 3,
  needs: [],
  async run({ ground, rounds, quick, say, cast: chosen }: Scene): Promise<Finding> {
    const tally = new Tally()
    for (const { variant, cast } of points) {
      const casts = chosen(CONTENDERS).map((rival) => ({ rival, ...cast }))
      await inTurn(
        ground,
        { casts, rounds, seconds: quick ? 1 : 2 },
        ({ rival: { name, configuration } }, taken, round) => {
          tally.add({ rival: name, variant, unit: 'tasks/s', configuration }, taken.perSecond, cpuDetails(taken))
          say(`${variant}, round ${round}: ${name} ${Math.round(taken.perSecond)} tasks/s`)
        },
      )
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
