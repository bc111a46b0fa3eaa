import { rivals } from '../rivals/index.js'
import { interleaved, ratios } from '../statistics.js'
import { claim, type Finding, type Measure, type Scene, Tally } from './measure.js'
import { cpuDetails, DEFAULT_BYTES, sample } from './sample.js'

const VARIANT = `quorum, ${DEFAULT_BYTES} bytes`
const CONTENDERS = [rivals.warren, rivals.bare, rivals.celeryReference, rivals.celeryThreads]

export const publish: Measure = {
  name: 'publish',
  does: 'Publishes a second to a quorum queue, each confirmed by the broker, from one client; nothing consumes.',
  rounds: 5,
  needs: ['celery'],
  async run({ ground, rounds, quick, say }: Scene): Promise<Finding> {
    const tally = new Tally()
    for (const { round, contender } of interleaved(rounds, CONTENDERS)) {
      const taken = await sample(ground, { rival: contender, workers: 0, seconds: quick ? 1 : 3 })
      const { name: rival, configuration } = contender
      tally.add({ rival, variant: VARIANT, unit: 'messages/s', configuration }, taken.perSecond, cpuDetails(taken))
      say(`round ${round}: ${rival} ${Math.round(taken.perSecond)} confirmed publishes/s`)
    }
    const ratioTo = (other: string) => ratios(tally.values('warren', VARIANT), tally.values(other, VARIANT))
    const celery = ratioTo(rivals.celeryReference.name)
    const threads = ratioTo(rivals.celeryThreads.name)
    return {
      series: tally.series,
      claims: [
        claim('Confirmed publishes: Warren to bare amqplib, pipelined', ratioTo('bare'), '×', { atLeast: 0.9 }),
        claim('Confirmed publishes: Warren to Celery, which waits for each', celery, '×', { atLeast: 25 }),
        claim('Confirmed publishes: Warren to Celery from 8 threads', threads, '×', { atLeast: 25 }),
      ],
    }
  },
}
