import { rivals } from '../rivals/index.js'
import { type Claim, type Finding, type Measure, type Scene, Tally } from './measure.js'
import { cpuDetails, inTurn, type Sample } from './sample.js'

const CONTENDERS = [rivals.warren, rivals.warrenWithoutHistory]
const WORKERS = 2
const SPEED = 'tasks a second'
const CPU = 'CPU of all processes'

export const history: Measure = {
  name: 'history',
  does: 'What the history costs: tasks that do nothing, with the history and without, at the node that leads their quorum queue.',
  rounds: 10,
  needs: [],
  async run({ ground, rounds, quick, say, cast }: Scene): Promise<Finding> {
    const tally = new Tally()
    // Which node a client comes to by chance would weigh more than the history.
    const casts = cast(CONTENDERS).map((rival) => ({ rival, field: { at: 'leader' } as const, workers: WORKERS }))
    await inTurn(ground, { casts, rounds, seconds: quick ? 1 : 4 }, ({ rival }, taken, round) => {
      const of = { rival: rival.name, configuration: rival.configuration }
      const micros = cpuOfATask(taken)
      tally.add({ ...of, variant: SPEED, unit: 'tasks/s' }, taken.perSecond, cpuDetails(taken))
      tally.add({ ...of, variant: CPU, unit: 'µs a task' }, micros)
      say(`round ${round}: ${rival.name} ${Math.round(taken.perSecond)} tasks/s, ${micros.toFixed(1)} µs of CPU a task`)
    })
    return { series: tally.series, claims: claims(tally) }
  },
}

function cpuOfATask({ cpu: { others: _others, ...own }, count }: Sample): number {
  return (Object.values(own).reduce((sum, seconds) => sum + seconds, 0) / count) * 1e6
}

function claims(tally: Tally): Claim[] {
  const other = rivals.warrenWithoutHistory.name
  return [
    ...tally.compare(SPEED, other, 'Tasks a second with the history to without', { atLeast: 0.97 }),
    ...tally.compare(CPU, other, 'CPU of a task with the history to without', { atMost: 1.03 }),
  ]
}
