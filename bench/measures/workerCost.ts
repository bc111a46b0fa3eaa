import { setTimeout as delay } from 'node:timers/promises'
import type { Child } from '../child.js'
import type { Ground } from '../ground.js'
import { rivals } from '../rivals/index.js'
import type { Rival } from '../rivals/rival.js'
import { type Finding, type Measure, type Scene, Tally } from './measure.js'
import { DEFAULT_BYTES } from './sample.js'

const CONTENDERS = [rivals.warren, rivals.bare, rivals.bullmq, rivals.celery]
/** After its first task a worker is left alone for so long before it counts as at rest: V8 tidies up its memory first. */
const SETTLE_MS = 15_000
const REST_MS = 20_000
const MB = 1e6
/** What a process is woken up for by timers alone, its own and those of Node and V8. */
const MEASURABLE_PERCENT = 0.5

export const workerCost: Measure = {
  name: 'worker-cost',
  does: 'One worker: from starting its process until its first task begins, with the task waiting; then its memory and CPU at rest, with nothing to do.',
  rounds: 5,
  needs: ['bullmq', 'celery'],
  async run({ ground, rounds, quick, say, cast }: Scene): Promise<Finding> {
    const tally = new Tally()
    const [settleMs, restMs] = quick ? [1_000, 2_000] : [SETTLE_MS, REST_MS]
    for (let round = 1; round <= rounds; round++) {
      await withWorkers(ground, cast(CONTENDERS), [], async (started) => {
        for (const { rival, startMs } of started) {
          tally.add({ ...of(rival), variant: 'start to first task', unit: 'ms' }, startMs)
          say(`round ${round}: ${rival.name} first task after ${startMs.toFixed(0)} ms`)
        }
        await delay(settleMs)
        const before = started.map(({ worker }) => worker.cpuSeconds)
        await delay(restMs)
        started.forEach(({ rival, worker }, index) => {
          const cpuPercent = ((worker.cpuSeconds - (before[index] ?? 0)) / restMs) * 1000 * 100
          const memoryMB = worker.rssBytes / MB
          tally.add({ ...of(rival), variant: 'memory at rest', unit: 'MB' }, memoryMB)
          tally.add({ ...of(rival), variant: 'CPU at rest', unit: '% of a core' }, cpuPercent)
          say(`${rival.name} at rest: ${memoryMB.toFixed(1)} MB and ${cpuPercent.toFixed(2)} % of a core`)
        })
      })
    }
    return {
      series: tally.series,
      claims: [
        ...tally.claim('start to first task', 'Worker: start to first task', 'ms', { atMost: 600 }),
        ...tally.claim('memory at rest', 'Worker: memory at rest', 'MB', { atMost: 70 }),
        ...tally.claim('CPU at rest', 'Worker: CPU at rest', '% of a core', { atMost: MEASURABLE_PERCENT }),
      ],
    }
  },
}

interface Started {
  readonly rival: Rival
  readonly worker: Child
  readonly startMs: number
}

const of = ({ name, configuration }: Rival) => ({ rival: name, configuration })

/** Starts a worker of each, one after the other, with a task that waits for it; all rest at the same time. */
async function withWorkers(
  ground: Ground,
  rivals: readonly Rival[],
  started: readonly Started[],
  use: (started: readonly Started[]) => Promise<void>,
): Promise<void> {
  const [rival, ...rest] = rivals
  if (rival === undefined) return use(started)
  await ground.withField({}, async (setup) => {
    const client = await ground.child(rival, 'client', setup)
    await client.ask({ do: 'publish', count: 1, bytes: DEFAULT_BYTES, ms: 0 }).finally(() => client.stop())
    const worker = await ground.child(rival, 'worker', setup)
    try {
      const startMs = await worker.firstTask()
      await withWorkers(ground, rest, [...started, { rival, worker, startMs }], use)
    } finally {
      await worker.stop()
    }
  })
}
