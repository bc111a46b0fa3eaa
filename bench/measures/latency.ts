import { rivals } from '../rivals/index.js'
import { interleaved, quantile } from '../statistics.js'
import { type Finding, type Measure, type Scene, Tally } from './measure.js'
import { DEFAULT_BYTES, withParts } from './sample.js'

const CONTENDERS = [rivals.warren, rivals.bare, rivals.bullmq, rivals.celery]
const WORKERS = 2
const SHARES = [0.25, 0.5]
const PERCENTILES = [0.5, 0.99, 0.999]

export const latency: Measure = {
  name: 'latency',
  does: `From the instant at which a task is due to be sent until its result is with the client; quorum queue, ${WORKERS} workers, at a steady rate of a quarter and of half of what the rival itself carries.`,
  rounds: 3,
  needs: ['bullmq', 'celery'],
  async run({ ground, rounds, quick, say, cast }: Scene): Promise<Finding> {
    const tally = new Tally()
    const seconds = quick ? 2 : 6
    for (const { round, contender } of interleaved(rounds, cast(CONTENDERS))) {
      const { name: rival, configuration } = contender
      await ground.withField({}, (setup) =>
        withParts(ground, { rival: contender, setup, workers: WORKERS }, async (client) => {
          const load = { bytes: DEFAULT_BYTES, ms: 0 }
          const carried = async (count: number) =>
            count / (await client.ask({ do: 'roundTrip', count, ...load })).seconds
          const warm = await carried(200)
          const capacity = await carried(Math.round(Math.min(warm * 2, 10_000)))
          for (const share of SHARES) {
            const ratePerSecond = capacity * share
            const count = Math.round(ratePerSecond * seconds)
            const { latencies } = await client.ask({ do: 'latency', count, ratePerSecond, ...load })
            for (const percentile of PERCENTILES) {
              const variant = `${share * 100} % of its capacity, p${percentile * 100}`
              const ms = quantile(latencies, percentile)
              tally.add({ rival, variant, unit: 'ms', configuration }, ms, { 'tasks/s': ratePerSecond })
            }
            const shown = PERCENTILES.map((each) => quantile(latencies, each).toFixed(1)).join(' / ')
            say(`round ${round}: ${rival} at ${ratePerSecond.toFixed(0)} tasks/s: p50 / p99 / p99.9 ${shown} ms`)
          }
        }),
      )
    }
    return { series: tally.series, claims: [] }
  },
}
