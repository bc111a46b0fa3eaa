import { rivals } from '../rivals/index.js'
import { interleaved } from '../statistics.js'
import { type Finding, type Measure, type Scene, Tally } from './measure.js'
import { DEFAULT_BYTES, withParts } from './sample.js'

const TASKS = 1_000
const TASK_MS = 100
const CONTENDERS = [rivals.warren, rivals.celery, rivals.bullmq]
/** By how many workers, each of which runs one task at a time. */
const BOUNDS: ReadonlyMap<number, number> = new Map([
  [5, 1.015],
  [10, 1.03],
])

const variantOf = (workers: number) => `${workers} workers`

export const thousand: Measure = {
  name: 'thousand',
  does: '1,000 tasks of 0.1 s on a quorum queue, one at a time in each worker, from the first send until the last result: against the time that the tasks alone take.',
  rounds: 3,
  needs: ['bullmq', 'celery'],
  async run({ ground, rounds, quick, say, cast }: Scene): Promise<Finding> {
    const count = quick ? TASKS / 10 : TASKS
    const tally = new Tally()
    for (const workers of BOUNDS.keys()) {
      const idealSeconds = (count * TASK_MS) / 1000 / workers
      for (const { round, contender } of interleaved(rounds, cast(CONTENDERS))) {
        const { name: rival, configuration } = contender
        const took = await ground.withField({ tasksAre: 'long' }, (setup) =>
          withParts(ground, { rival: contender, setup, workers }, async (client) => {
            // Connections and code are warm, as they are in a service; what the workers learned of these tasks is little.
            await client.ask({ do: 'roundTrip', count: 2 * workers, bytes: DEFAULT_BYTES, ms: 0 })
            return client.ask({ do: 'roundTrip', count, bytes: DEFAULT_BYTES, ms: TASK_MS })
          }),
        )
        tally.add(
          { rival, variant: variantOf(workers), unit: '× the ideal', configuration },
          took.seconds / idealSeconds,
          {
            seconds: took.seconds,
          },
        )
        say(`${variantOf(workers)}, round ${round}: ${rival} ${took.seconds.toFixed(2)} s, ideal ${idealSeconds} s`)
      }
    }
    return {
      series: tally.series,
      claims: [...BOUNDS].flatMap(([workers, atMost]) =>
        tally.claim(variantOf(workers), `1,000 × 0.1 s, ${workers} workers`, '× the ideal', { atMost }),
      ),
    }
  },
}
