import { rivals } from '../rivals/index.js'
import { interleaved, quantile } from '../statistics.js'
import { type Finding, type Measure, type Scene, Tally } from './measure.js'
import { DEFAULT_BYTES, withParts } from './sample.js'

const CONTENDERS = [rivals.warren, rivals.bare, rivals.bullmq, rivals.celery]
const WORKERS = 2
const SHARES = [0.25, 0.5]
/** The same for all, in tasks a second. */
const RATES = [500, 2_000]
/** At more than this share of what a rival carries, what is measured is its queue. */
const MOST = 0.9
const PERCENTILES = [0.5, 0.99, 0.999]

export const latency: Measure = {
  name: 'latency',
  does: `From the instant at which a task is due to be sent until its result is with the client; quorum queue, ${WORKERS} workers, at a steady rate of a quarter and of half of what the rival itself carries, and at ${RATES.join(' and ')} tasks a second where it carries that.`,
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
          const shares = SHARES.map((share) => ({
            at: `${share * 100} % of its capacity`,
            ratePerSecond: capacity * share,
          }))
          const rates = RATES.map((rate) => ({ at: `${rate} tasks/s`, ratePerSecond: rate }))
          for (const { at, ratePerSecond } of [...shares, ...rates]) {
            if (ratePerSecond > capacity * MOST) continue
            const count = Math.round(ratePerSecond * seconds)
            const { latencies } = await client.ask({ do: 'latency', count, ratePerSecond, ...load })
            for (const percentile of PERCENTILES) {
              const variant = `${at}, p${percentile * 100}`
              const ms = quantile(latencies, percentile)
              tally.add({ rival, variant, unit: 'ms', configuration }, ms, { 'tasks/s': ratePerSecond })
            }
            const shown = PERCENTILES.map((each) => quantile(latencies, each).toFixed(1)).join(' / ')
            say(`round ${round}: ${rival} at ${ratePerSecond.toFixed(0)} tasks/s: p50 / p99 / p99.9 ${shown} ms`)
          }
        }),
      )
    }
    const claims = RATES.flatMap((rate) =>
      [0.5, 0.99].flatMap((percentile) => {
        const variant = `${rate} tasks/s, p${percentile * 100}`
        return tally.compare(variant, rivals.bare.name, `Latency at ${variant}: Warren to bare amqplib`, { atMost: 1 })
      }),
    )
    return { series: tally.series, claims }
  },
}
