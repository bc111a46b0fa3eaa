import { setTimeout as delay } from 'node:timers/promises'
import type { Child } from '../child.js'
import { rivals } from '../rivals/index.js'
import { interleaved } from '../statistics.js'
import { type Finding, type Measure, type Scene, Tally } from './measure.js'
import { DEFAULT_BYTES } from './sample.js'

const CONTENDERS = [rivals.warren, rivals.bare, rivals.bullmq, rivals.celery]
/** After its first task a worker is left alone for so long before it counts as at rest. */
const SETTLE_MS = 8_000
const REST_MS = 10_000
const MB = 1e6
/** One percent of a core is a hundredth of a second each second: below that, Linux's own clock cannot tell. */
const MEASURABLE_PERCENT = 0.5

export const workerCost: Measure = {
  name: 'worker-cost',
  does: 'One worker: from starting its process until its first task begins, with the task waiting; then its memory and CPU at rest, with nothing to do.',
  rounds: 3,
  needs: ['bullmq', 'celery'],
  async run({ ground, rounds, quick, say, cast }: Scene): Promise<Finding> {
    const tally = new Tally()
    const [settleMs, restMs] = quick ? [1_000, 2_000] : [SETTLE_MS, REST_MS]
    for (const { round, contender } of interleaved(rounds, cast(CONTENDERS))) {
      const { name: rival, configuration } = contender
      const cost = await ground.withField({}, async (setup) => {
        const client = await ground.child(contender, 'client', setup)
        let worker: Child | undefined
        try {
          await client.ask({ do: 'publish', count: 1, bytes: DEFAULT_BYTES, ms: 0 })
          worker = await ground.child(contender, 'worker', setup)
          const startMs = await worker.firstTask()
          await delay(settleMs)
          const before = worker.cpuSeconds
          await delay(restMs)
          const cpuPercent = ((worker.cpuSeconds - before) / restMs) * 1000 * 100
          return { startMs, cpuPercent, memoryMB: worker.rssBytes / MB }
        } finally {
          await Promise.all([client.stop(), worker?.stop()])
        }
      })
      tally.add({ rival, variant: 'start to first task', unit: 'ms', configuration }, cost.startMs)
      tally.add({ rival, variant: 'memory at rest', unit: 'MB', configuration }, cost.memoryMB)
      tally.add({ rival, variant: 'CPU at rest', unit: '% of a core', configuration }, cost.cpuPercent)
      say(
        `round ${round}: ${rival} first task after ${cost.startMs.toFixed(0)} ms, ` +
          `${cost.memoryMB.toFixed(1)} MB and ${cost.cpuPercent.toFixed(2)} % of a core at rest`,
      )
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
