/** A flood: far more than the workers can do, so that messages grow too old in their queues and are dead-lettered. */
import type { Drill, Evidence, Scene } from '../drill.js'
import { otherThan } from '../nodes.js'
import { QUEUE_KEYS } from '../timeline.js'

const TTL_MS = 3_000
const FLOOD_MS = 10_000
/** Four workers, two tasks at a time, 200 ms each: 40 a second, of 200 that come. */
const LOAD = { ratePerQueue: 100, taskMs: 200 }

const expects = {
  load: LOAD,
  deadLetters: 'allowed',
  recoverWithinMs: null,
} as const

async function shortenLives({ drillCluster, sabotage }: Scene): Promise<void> {
  await drillCluster.overridePolicy('user', { 'message-ttl': TTL_MS })
  await drillCluster.overridePolicy('payment', {
    'message-ttl': TTL_MS,
    ...(sabotage === 'at-most-once' ? { 'dead-letter-strategy': 'at-most-once', overflow: 'drop-head' } : {}),
  })
}

function floodShowed({ counts }: Evidence): string[] {
  return counts.deadLettered === 0 ? ['no message expired, so the drill shows nothing'] : []
}

const share = ({ counts }: Evidence): string[] => [
  `Of ${counts.confirmed} confirmed messages ${counts.stored} were done in time and ${counts.deadLettered} expired.`,
]

export const flood: Drill = {
  name: 'flood',
  does: `Sends five times the workers' capacity, with a TTL of ${TTL_MS / 1000} s.`,
  holds: 'Expired messages are in the dead-letter queues; everything else is done.',
  ...expects,
  prepare: shortenLives,
  async fault({ mark, hold }) {
    mark('fault', 'More messages arrive than the workers can process')
    await hold(FLOOD_MS)
    mark('repair', 'The flood ends')
  },
  check: floodShowed,
  tell: share,
}

export const floodKillDeadLetters: Drill = {
  name: 'flood-kill-dlq',
  does: 'The same flood, and the node that leads the payment dead-letter queue is killed in the middle of it.',
  holds: 'Messages that expire while their dead-letter queue has no leader still reach it.',
  ...expects,
  async prepare(scene) {
    const { drillCluster } = scene
    await shortenLives(scene)
    // A classic queue dead-letters without confirms, whatever its policy says: its dead-letter queue is left alone here.
    const host = await drillCluster.classicHost()
    const doomed = otherThan(host)
    await drillCluster.moveLeader({ deadLettersOf: 'payment' }, doomed)
    await drillCluster.moveLeader({ deadLettersOf: 'user' }, host)
    // Killed together with the queue that messages come from, nothing would be at risk.
    if ((await drillCluster.leader()) === doomed) await drillCluster.moveLeader('payment', otherThan(doomed, host))
  },
  async fault({ drillCluster, mark, hold, timeline, until }) {
    mark('fault', 'More messages arrive than the workers can process')
    await until(
      'a flood',
      () => (timeline.instants('sent', QUEUE_KEYS[1]).length > 500 ? undefined : 'not yet'),
      20_000,
    )
    await hold(2_000)
    const node = await drillCluster.leader({ deadLettersOf: 'payment' })
    mark('fault', `Killed ${node}, which leads the payment dead-letter queue`)
    await drillCluster.cluster.killProcess(node)
    await hold(6_000)
    mark('phase', `Starting ${node} again`)
    await drillCluster.cluster.startProcess(node)
    mark('repair', `${node} is back, and the flood ends`)
  },
  check: floodShowed,
  tell: share,
}
