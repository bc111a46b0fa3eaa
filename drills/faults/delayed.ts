/**
 * Each node in turn is killed while thousands of delayed messages wait in the delay levels, and with each node the levels
 * that it leads. Only payments are delayed: a classic queue is gone with its node, and what is due then has no queue.
 */
import type { Drill, Evidence, Scene } from '../drill.js'
import { nodeNames } from '../nodes.js'
import { seconds } from '../verdict.js'
import { AWAY_MS } from './node.js'

const DELAYED = 10_000
/** Within this time all are sent. */
const SENDING_MS = 15_000
/** Due at random between these, from the beginning of the sending: the first while nodes are killed, the last after that. */
const FIRST_DUE_MS = 20_000
const LAST_DUE_MS = 180_000
const TICK_MS = 100
/**
 * How long after they are due all have run. A level whose next queue has lost its leader tries again after 15 to 30 s
 * (`config/rabbitmq/advanced.config`), at each level on the way.
 */
const OVERDUE_MS = 240_000
/** The levels that a delay of {@link LAST_DUE_MS} may pass. */
const LEVELS = 8
/** Each node once. Leaders may move to a node that was killed before: then one of the others again, a few times at most. */
const MAX_KILLS = 6

interface Pending {
  readonly due: number
  readonly id: string
}

export const delayed: Drill = {
  name: 'delayed',
  does: `Kills each node in turn, and with it the delay levels that it leads, while ${DELAYED.toLocaleString('en-US')} delayed payments are pending.`,
  holds: 'Every delayed payment runs, and none early; each level in use loses its leader once.',
  load: { ratePerQueue: 50 },
  recoverWithinMs: 60_000,
  deadLetters: 'expired',
  async fault(scene) {
    const { drillCluster, mark, until, ledger, numbers, signal } = scene
    const from = Date.now()
    const pending = await send(scene, from)
    mark('phase', `${pending.length} delayed payments are confirmed`)
    numbers.set('delayed', pending.length)
    const killed = new Set<number>()
    for (let kill = 0; kill < MAX_KILLS && (kill < nodeNames.length || killed.size < LEVELS); kill++) {
      const leaders = await levelsByLeader(scene)
      const rest = (node: string): number => (leaders.get(node) ?? []).filter((level) => !killed.has(level)).length
      const node = nodeNames[kill] ?? nodeNames.reduce((most, each) => (rest(each) > rest(most) ? each : most))
      const led = leaders.get(node) ?? []
      for (const level of led) killed.add(level)
      numbers.set('leaders', killed.size)
      mark('fault', `Killed ${node}, which leads ${led.length} of the ${LEVELS} delay levels in use (SIGKILL)`)
      await drillCluster.cluster.killProcess(node)
      await scene.hold(AWAY_MS)
      await drillCluster.cluster.startProcess(node)
      mark('repair', `${node} is back`)
      await drillCluster.whole(signal)
    }
    const left = (): number => pending.filter(({ id }) => ledger.firstRunOf(id) === undefined).length
    await until(
      'every delayed payment to have run',
      () => (left() === 0 ? undefined : `${left()} have not`),
      Math.max(0, from + LAST_DUE_MS - Date.now()) + OVERDUE_MS,
    )
    const late = pending.map(({ id, due }) => (ledger.firstRunOf(id) ?? Number.NaN) - due).sort((a, b) => a - b)
    numbers.set('early', late.filter((ms) => ms < 0).length)
    numbers.set('median', late[Math.floor(late.length / 2)] ?? Number.NaN)
    numbers.set('latest', late.at(-1) ?? Number.NaN)
  },
  check({ numbers }) {
    const early = numbers.get('early') ?? 0
    const leaders = numbers.get('leaders') ?? 0
    return [
      ...(early > 0 ? [`${early} delayed payments ran before they were due`] : []),
      ...(leaders < LEVELS ? [`only ${leaders} of the ${LEVELS} delay levels in use lost their leader`] : []),
    ]
  },
  tell: ({ numbers }: Evidence) => [
    `Of ${numbers.get('delayed')} delayed payments ${numbers.get('early')} ran early; half of them at most ${seconds(numbers.get('median') ?? Number.NaN)} late, the latest ${seconds(numbers.get('latest') ?? Number.NaN)}. All ${numbers.get('leaders')} levels lost their leader.`,
  ],
}

/** Sends them at a steady rate, each due at random. Those that could not be sent are the ledger's. */
async function send({ load, hold }: Scene, from: number): Promise<readonly Pending[]> {
  const sending: Promise<Pending | undefined>[] = []
  while (sending.length < DELAYED) {
    const wanted = Math.min(DELAYED, Math.ceil((DELAYED * (Date.now() - from + TICK_MS)) / SENDING_MS))
    while (sending.length < wanted) {
      const due = from + FIRST_DUE_MS + Math.floor(Math.random() * (LAST_DUE_MS - FIRST_DUE_MS))
      sending.push(
        load.later('payment', new Date(due)).then(
          (id) => ({ due, id }),
          () => undefined,
        ),
      )
    }
    await hold(TICK_MS)
  }
  return (await Promise.all(sending)).filter((each) => each !== undefined)
}

/** The levels in use that each node leads. */
async function levelsByLeader({ drillCluster }: Scene): Promise<ReadonlyMap<string, readonly number[]>> {
  const leaders = await drillCluster.management.leaders('warren.delay.')
  const found = new Map<string, number[]>()
  for (let level = 0; level < LEVELS; level++) {
    const node = leaders.get(`warren.delay.level.${String(level).padStart(2, '0')}`)?.split('@')[0]
    if (node !== undefined) found.set(node, [...(found.get(node) ?? []), level])
  }
  return found
}
