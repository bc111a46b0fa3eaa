import { rivals } from '../rivals/index.js'
import { type Finding, type Measure, type Scene, Tally } from './measure.js'
import { cpuDetails, DEFAULT_BYTES, inTurn } from './sample.js'

const VARIANT = `quorum, ${DEFAULT_BYTES} bytes`
const CONTENDERS = [
  rivals.warren,
  rivals.warrenPacks,
  rivals.bare,
  rivals.bareCeleryWire,
  rivals.celeryReference,
  rivals.celeryThreads,
]

export const publish: Measure = {
  name: 'publish',
  does: 'Publishes a second to a quorum queue, each confirmed by the broker, from one client; nothing consumes.',
  rounds: 10,
  needs: ['celery'],
  async run({ ground, rounds, quick, say, cast }: Scene): Promise<Finding> {
    const tally = new Tally()
    const casts = cast(CONTENDERS).map((rival) => ({ rival, workers: 0 }))
    await inTurn(
      ground,
      { casts, rounds, seconds: quick ? 1 : 2 },
      ({ rival: { name, configuration } }, taken, round) => {
        const of = { rival: name, variant: VARIANT, unit: 'messages/s', configuration }
        tally.add(of, taken.perSecond, cpuDetails(taken))
        say(`round ${round}: ${name} ${Math.round(taken.perSecond)} confirmed publishes/s`)
      },
    )
    const { bare, bareCeleryWire, celeryReference, celeryThreads, warren, warrenPacks } = rivals
    const packs = 'Confirmed publishes, in tasks: packs to single messages'
    return {
      series: tally.series,
      claims: [
        ...tally.compare(VARIANT, warren.name, packs, { atLeast: 4 }, warrenPacks.name),
        ...tally.compare(VARIANT, bare.name, 'Confirmed publishes: Warren to bare amqplib, pipelined', {
          atLeast: 0.9,
        }),
        ...tally.compare(VARIANT, bareCeleryWire.name, 'Confirmed publishes: Warren to bare amqplib, same messages', {
          atLeast: 0.9,
        }),
        ...tally.compare(VARIANT, celeryReference.name, 'Confirmed publishes: Warren to Celery, which waits for each', {
          atLeast: 25,
        }),
        ...tally.compare(VARIANT, celeryThreads.name, 'Confirmed publishes: Warren to Celery from 8 threads', {
          atLeast: 25,
        }),
      ],
    }
  },
}
