/** Limits while the workers that keep them are frozen, killed and added. */
import { connect, type Warren } from 'warren'
import { Crew } from '../crew.js'
import { LEASE_MS, PLACES, paced, placed, RATE } from '../crewTasks.js'
import type { Drill, Evidence, Scene } from '../drill.js'
import { bySecond, freedAfter, most, mostAtOnce, unfenced } from '../limitVerdict.js'
import { seconds } from '../verdict.js'

const WORKERS = 10
const CONCURRENCY = 6
/** One message more than a minute has starts, and some for the seconds around it. */
const PACED = RATE * 66
const PACED_WORK_MS = 15
const KEYS = ['a', 'b', 'c', 'd']
/** It has a place of its own: one. */
const SINGLE = 'single'
const PLACED = 400
const SINGLES = 60
const PLACED_WORK_MS = 250
/** Longer than a lease: what it held is another's when it goes on. */
const FROZEN_MS = 2 * LEASE_MS
const BRIEFLY_MS = 3_000
/** How long it may take, once a lease is over, until what waits for the place has come by. */
const COMES_BY_MS = 2_000
const TIMEOUT_MS = 180_000
/** Of the rate, in each second and in each minute: no window of that length may have more, and no full second less. */
const OF_SECOND = 0.05
const OF_MINUTE = 0.01

export const limits: Drill = {
  name: 'limits',
  does: `Freezes (SIGSTOP), kills (SIGKILL) and adds workers, of ${WORKERS}, under a rate of ${RATE} a second, and under ${PLACES} at a time for each key.`,
  holds: `The rate is within ${OF_SECOND * 100} % each second and ${OF_MINUTE * 100} % each minute; never more than ${PLACES} run at a time, outside a frozen holder's lease; a place is free again within a lease, and the fencing number tells a late holder.`,
  recoverWithinMs: null,
  load: { ratePerQueue: 2 },
  async fault(scene) {
    const { drillCluster, numbers, defer, mark } = scene
    const { adminUrl: broker, resultsUrl: results } = drillCluster
    const warren = await connect({ broker, results, logger: false })
    defer(() => warren.close())
    const crew = new Crew(scene, CONCURRENCY)
    await crew.add(WORKERS)
    await underRate(scene, crew, warren)
    await underPlaces(scene, crew, warren)
    mark('repair', 'All of it has run')
    judgeRate(crew, numbers)
    judgePlaces(crew, numbers)
  },
  check({ numbers }) {
    const of = (name: string): number => numbers.get(name) ?? Number.NaN
    const within = (what: string, low: number, high: number, part: number, rate: number): string[] =>
      low >= rate * (1 - part) && high <= rate * (1 + part) + 1
        ? []
        : [`${what} had between ${low} and ${high} starts, for ${rate} ± ${part * 100} %`]
    return [
      ...within('a second', of('least a second'), of('most a second'), OF_SECOND, RATE),
      ...within('a minute', of('least a minute'), of('most a minute'), OF_MINUTE, RATE * 60),
      ...(of('most at once') <= PLACES ? [] : [`${of('most at once')} ran at a time, for ${PLACES}`]),
      ...(of('most single') <= 1 ? [] : [`${of('most single')} ran at a time, for the key that has one place`]),
      ...(of('freed') <= LEASE_MS + COMES_BY_MS ? [] : [`a place was free again only after ${seconds(of('freed'))}`]),
      ...(of('unfenced') === 0 ? [] : [`${of('unfenced')} late holders had no smaller number than those after them`]),
    ]
  },
  tell: ({ numbers }: Evidence) => {
    const of = (name: string): number => numbers.get(name) ?? Number.NaN
    return [
      `Rate: ${of('least a second')} to ${of('most a second')} starts within a second (at most ${of('most in full')} in those that follow each other), ${of('least a minute')} to ${of('most a minute')} in a minute, for ${RATE} and ${RATE * 60}.`,
      `Places: at most ${of('most at once')} at a time for each of ${KEYS.length} keys, ${of('most single')} for the key with one. ${of('late')} late holders, each with a smaller number than those after it. Free again ${seconds(of('freed'))} after a worker stood still, at most, with a lease of ${seconds(LEASE_MS)}.`,
    ]
  },
}

async function underRate(scene: Scene, crew: Crew, warren: Warren): Promise<void> {
  await send(scene, warren, paced, PACED, () => 'all', PACED_WORK_MS)
  scene.mark('phase', `${PACED} messages of a rate of ${RATE} a second wait`)
  const ran = () => crew.runs.of(paced.name).length
  await scene.until('the first hundred', () => (ran() > RATE ? undefined : `${ran()} ran`), TIMEOUT_MS)
  await faults(scene, crew, BRIEFLY_MS, 5_000)
  await scene.until('all of the rate', () => (ran() >= PACED ? undefined : `${ran()} of ${PACED} ran`), TIMEOUT_MS)
}

async function underPlaces(scene: Scene, crew: Crew, warren: Warren): Promise<void> {
  await warren.limits.set({ task: placed, key: SINGLE }, { concurrency: 1 })
  scene.defer(() => warren.limits.clear({ task: placed, key: SINGLE }))
  const all = KEYS.length * PLACED + SINGLES
  const every = Math.floor(all / SINGLES)
  const keyOf = (n: number): string => (n % every === 0 ? SINGLE : (KEYS[n % KEYS.length] as string))
  await send(scene, warren, placed, all, keyOf, PLACED_WORK_MS)
  scene.mark('phase', `${all} messages of ${KEYS.length + 1} keys with ${PLACES} places each, and one with one, wait`)
  const ran = () => new Set(crew.runs.of(placed.name).map(({ id }) => id)).size
  await scene.until('the first of the places', () => (ran() > all / 20 ? undefined : `${ran()} ran`), TIMEOUT_MS)
  await faults(scene, crew, FROZEN_MS, 1_000)
  await scene.until('all of the places', () => (ran() >= all ? undefined : `${ran()} of ${all} ran`), TIMEOUT_MS)
}

/** Two workers are frozen and two killed, in turn, and two are added. */
async function faults(scene: Scene, crew: Crew, frozenMs: number, betweenMs: number): Promise<void> {
  for (let round = 0; round < 2; round++) {
    const [first, second] = holders(crew)
    crew.freeze(first)
    await scene.hold(frozenMs)
    crew.thaw(first)
    await scene.hold(betweenMs)
    await crew.kill(second)
    await scene.hold(betweenMs)
    await crew.add(1)
    await scene.hold(betweenMs)
  }
}

/** Two workers, if possible such that run something. */
function holders(crew: Crew): [string, string] {
  const busy = new Set(crew.runs.all.filter(({ endedAt }) => endedAt === undefined).map(({ worker }) => worker))
  const [first, second] = [...crew.names].sort((a, b) => Number(busy.has(b)) - Number(busy.has(a)))
  return [first as string, second as string]
}

async function send(
  { ledger }: Scene,
  warren: Warren,
  task: typeof paced,
  count: number,
  keyOf: (n: number) => string,
  workMs: number,
): Promise<void> {
  const inputs = Array.from({ length: count }, (_, n) => ({ key: keyOf(n), n, workMs, sentAt: Date.now() }))
  for (const _ of inputs) ledger.sent()
  await warren.sendMany(task, inputs, { onSent: ({ id }) => ledger.confirmed(id, 'payment') })
}

function judgeRate(crew: Crew, numbers: Map<string, number>): void {
  const starts = crew.runs.of(paced.name).map(({ beganAt }) => beganAt)
  const [from, to] = [Math.min(...starts), Math.max(...starts)]
  // The first second, before all workers know that there is work, and the last one are not full.
  const counts = bySecond(starts, from + 1_000, to - 1_000)
  numbers.set('least a second', Math.min(...counts))
  numbers.set('most in full', Math.max(...counts))
  numbers.set('most a second', most(starts, 1_000))
  const minutes = counts.slice(0, -59).map((_, at) => counts.slice(at, at + 60).reduce((sum, each) => sum + each, 0))
  numbers.set('least a minute', Math.min(...minutes))
  numbers.set('most a minute', most(starts, 60_000))
}

function judgePlaces(crew: Crew, numbers: Map<string, number>): void {
  const rules = { leaseMs: LEASE_MS, standstills: crew.standstills }
  const runs = crew.runs.of(placed.name)
  const of = (key: string) => runs.filter((run) => run.key === key)
  numbers.set('most at once', Math.max(...KEYS.map((key) => mostAtOnce(of(key), rules))))
  numbers.set('most single', mostAtOnce(of(SINGLE), rules))
  const freed = crew.standstills.flatMap((each) =>
    [...KEYS, SINGLE].map((key) => freedAfter(of(key), each, key === SINGLE ? 1 : PLACES)),
  )
  numbers.set('freed', Math.max(...freed.filter((ms) => ms !== undefined)))
  const late = runs.filter(({ worker, beganAt, endedAt = 0 }) =>
    crew.standstills.some(
      ({ worker: frozen, from, to }) => frozen === worker && to !== undefined && beganAt < from && endedAt >= to,
    ),
  )
  numbers.set('late', late.length)
  const bad = [...KEYS, SINGLE].flatMap((key) => unfenced(of(key), key === SINGLE ? 1 : PLACES))
  numbers.set('unfenced', bad.length)
}
