import { rivals } from '../rivals/index.js'
import { pause } from '../rivals/rival.js'
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

const FLOOR_WAITS = 50
const FLOOR = 'setTimeout in a process that does nothing else: what the ideal leaves out'

/** A timer is late by up to a millisecond and by what the machine is busy with: no queue can make up for that. */
async function timerFloor(): Promise<number> {
  const from = performance.now()
  for (let waits = 0; waits < FLOOR_WAITS; waits++) await pause(TASK_MS)
  return (performance.now() - from) / (FLOOR_WAITS * TASK_MS)
}

const variantOf = (workers: number) => `${workers} workers`

export const thousand: Measure = {
  name: 'thousand',
  does: '1,000 tasks of 0.1 s on a quorum queue, one at a time in each worker, from the first send until the last result: against the time that the tasks alone take.',
  rounds: 3,
  needs: ['bullmq', 'celery'],
  async run({ ground, rounds, quick, say, cast }: Scene): Promise<Finding> {
    const count = quick ? TASKS / 10 : TASKS
    const tally = new Tally()
    const floor = await timerFloor()
    for (const workers of BOUNDS.keys()) {
      const idealSeconds = (count * TASK_MS) / 1000 / workers
      for (const { round, contender } of interleaved(rounds, cast(CONTENDERS))) {
        const { name: rival, configuration } = contender
        const took = await ground.withField({ tasksAre: 'long' }, (setup) =>
          withParts(ground, { rival: contender, setup, workers }, async (client) => {
            // Connections and code are warm, as they are in a service that has such tasks.
            await client.ask({ do: 'roundTrip', count: 4 * workers, bytes: DEFAULT_BYTES, ms: TASK_MS })
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
    const floorOf = { rival: 'no queue', variant: `${FLOOR_WAITS} waits`, unit: '× the ideal', configuration: FLOOR }
    tally.add(floorOf, floor)
    say(`waiting ${TASK_MS} ms takes ${(floor * TASK_MS).toFixed(2)} ms here`)
    return {
      series: tally.series,
      claims: [...BOUNDS].flatMap(([workers, atMost]) =>
        tally.claim(variantOf(workers), `1,000 × 0.1 s, ${workers} workers`, '× the ideal', { atMost }),
      ),
    }
  },
}
