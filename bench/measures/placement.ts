import { rivals } from '../rivals/index.js'
import type { Finding, Measure, Scene } from './measure.js'
import { Tally } from './measure.js'
import { type Cast, cpuDetails, inTurn } from './sample.js'

const CASTS: readonly (Cast & { readonly variant: string })[] = [
  { variant: 'through HAProxy', rival: rivals.warren, workers: 2 },
  { variant: "at the leader's node", rival: rivals.warren, workers: 2, field: { at: 'leader' } },
  { variant: "at another node than the leader's", rival: rivals.warren, workers: 2, field: { at: 'follower' } },
]

export const placement: Measure = {
  name: 'placement',
  does: 'Tasks a second with results on a quorum queue, 2 workers, by the node that the client and the workers connect to.',
  rounds: 10,
  needs: [],
  async run({ ground, rounds, quick, say }: Scene): Promise<Finding> {
    const tally = new Tally()
    await inTurn(ground, { casts: CASTS, rounds, seconds: quick ? 1 : 2 }, ({ variant, rival }, taken, round) => {
      const of = { rival: rival.name, variant, unit: 'tasks/s', configuration: rival.configuration }
      tally.add(of, taken.perSecond, cpuDetails(taken))
      say(`${variant}, round ${round}: ${Math.round(taken.perSecond)} tasks/s`)
    })
    return { series: tally.series, claims: [] }
  },
}
