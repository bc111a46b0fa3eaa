/**
 * Faults of one RabbitMQ node, by the part it plays: leader of the payment queue, a follower, or host of the classic
 * queue. Each node is killed, stopped or frozen, stays away for a while, and rejoins.
 */

import { BareClient } from '../bareClient.js'
import { type Drill, type Evidence, pauseOf, type Scene } from '../drill.js'
import { nodeNames, type Stage } from '../stage.js'
import { seconds } from '../verdict.js'

type Way = 'kill' | 'stop' | 'freeze'
type Part = 'leader' | 'follower' | 'classic-host'

const AWAY_MS = 5_000
/** Longer than the 12.5 s after which other nodes give up a silent one, and than HAProxy's 3 s. */
const FROZEN_MS = 15_000

const MOST_TIMES_BARE = 2
const BARE_BEFORE_MS = 1_000

const partWords: Record<Part, string> = {
  leader: 'the node that leads the payment queue',
  follower: 'a node that follows only',
  'classic-host': 'the node that holds the classic queue',
}

const find: Record<Part, (stage: Stage) => Promise<string>> = {
  leader: (stage) => stage.leader(),
  follower: (stage) => stage.follower(),
  'classic-host': (stage) => stage.classicHost(),
}

const ways: Record<Way, { does: string; run: (scene: Scene, node: string, words: string) => Promise<void> }> = {
  kill: {
    does: 'Kills',
    async run({ stage: { cluster }, mark, hold }, node, words) {
      mark('fault', `Killed ${node}, ${words} (SIGKILL)`)
      await cluster.killProcess(node)
      await hold(AWAY_MS)
      mark('phase', `Starting ${node} again`)
      await cluster.startProcess(node)
      mark('repair', `${node} is back`)
    },
  },
  stop: {
    does: 'Stops',
    async run({ stage: { cluster }, mark, hold }, node, words) {
      mark('fault', `Stopping ${node}, ${words} (SIGTERM)`)
      await cluster.stopProcess(node)
      mark('seen', `${node} has stopped`)
      await hold(AWAY_MS)
      mark('phase', `Starting ${node} again`)
      await cluster.startProcess(node)
      mark('repair', `${node} is back`)
    },
  },
  freeze: {
    does: 'Freezes',
    async run({ stage, mark, hold, signal }, node, words) {
      mark('fault', `Froze ${node}, ${words} (SIGSTOP)`)
      await stage.cluster.freezeProcess(node)
      await hold(FROZEN_MS)
      mark('repair', `${node} goes on (SIGCONT), and finds that the others gave it up`)
      await stage.cluster.thawProcess(node)
      // RabbitMQ restarts it from the inside when the others had given it up.
      const restarted = await stage.mend(signal)
      mark(
        'repair',
        restarted === undefined
          ? `${node} is a member again`
          : `The other nodes still took ${restarted} for down, which runs: restarted it, as the guide says`,
      )
    },
  },
}

function nodeDrill(way: Way, part: Part): Drill {
  return {
    name: `${way}-${part}`,
    does: `${ways[way].does} ${partWords[part]}, and lets it rejoin.`,
    holds:
      part === 'classic-host'
        ? 'Payments go on; messages for the classic queue are refused or wait, and it is taken up again when its node is back.'
        : part === 'leader'
          ? 'The two other nodes elect a new leader and payments go on.'
          : 'Payments go on, since two of three members are there.',
    ...(part === 'classic-host' ? { needsClassic: true, recoverWithinMs: way === 'freeze' ? 30_000 : 10_000 } : {}),
    async prepare({ stage }) {
      await stage.separateLeader()
    },
    async fault(scene) {
      await ways[way].run(scene, await find[part](scene.stage), partWords[part])
    },
    check: (evidence) => paymentsWentOn(evidence, way),
    tell: (evidence) => [
      `Payments: longest pause in confirms ${seconds(pauseOf(evidence, 'confirmed', 'payment'))}, in finished tasks ${seconds(pauseOf(evidence, 'finished', 'payment'))}.`,
    ],
  }
}

/**
 * Beside the load runs amqplib alone, with a quorum queue of its own led by the same node, so that both clients lose
 * their leader, and the bare one its connections too, at the same instant on the same machine.
 */
const killLeader: Drill = {
  ...nodeDrill('kill', 'leader'),
  holds: `The two other nodes elect a new leader; payments pause at most ${MOST_TIMES_BARE} times as long as for amqplib alone.`,
  async fault({ stage, mark, hold, defer, numbers, load }) {
    const node = await stage.leader()
    const others = nodeNames.filter((name) => name !== node)
    const urls = [node, ...others].map((name) => stage.cluster.brokerUrl('admin', Number(name.slice(-1))))
    const bare = await BareClient.open(urls, load.plan.ratePerQueue)
    defer(() => bare.close())
    await hold(BARE_BEFORE_MS)
    const from = Date.now()
    mark('fault', `Killed ${node}, ${partWords.leader} (SIGKILL)`)
    await stage.cluster.killProcess(node)
    await hold(AWAY_MS)
    const to = Date.now()
    const pauses = bare.longestPauses(from, to)
    numbers.set('from', from).set('to', to).set('bareMs', pauses.delivered)
    await bare.close()
    mark('phase', `Starting ${node} again`)
    await stage.cluster.startProcess(node)
    mark('repair', `${node} is back`)
  },
  check(evidence) {
    const { bareMs, warrenMs } = againstBare(evidence)
    return [
      ...paymentsWentOn(evidence, 'kill'),
      ...(warrenMs > bareMs * MOST_TIMES_BARE
        ? [
            `payments paused for ${seconds(warrenMs)}, more than ${MOST_TIMES_BARE} times the ${seconds(bareMs)} of amqplib alone`,
          ]
        : []),
    ]
  },
  tell(evidence) {
    const { bareMs, warrenMs } = againstBare(evidence)
    return [
      `After the kill, payments paused for ${seconds(warrenMs)}; deliveries of amqplib alone, with a tight reconnect loop, for ${seconds(bareMs)}.`,
    ]
  },
}

function againstBare({ timeline, numbers }: Evidence): { bareMs: number; warrenMs: number } {
  const [from = 0, to = 0, bareMs = 0] = ['from', 'to', 'bareMs'].map((name) => numbers.get(name))
  return { bareMs, warrenMs: timeline.longestPause('finished', 'payment', from, to).ms }
}

/** A frozen node is told from a slow one only by time: HAProxy takes 3 s, the other nodes up to 12.5 s. */
const LONGEST_PAUSE_MS: Record<Way, number> = { kill: 3_000, stop: 3_000, freeze: 20_000 }

function paymentsWentOn(evidence: Evidence, way: Way): string[] {
  const limit = LONGEST_PAUSE_MS[way]
  return (['confirmed', 'finished'] as const).flatMap((flow) => {
    const pause = pauseOf(evidence, flow, 'payment')
    return pause <= limit ? [] : [`payments paused for ${seconds(pause)} (${flow}), expected at most ${seconds(limit)}`]
  })
}

export const nodeDrills: readonly Drill[] = (['leader', 'follower', 'classic-host'] as const).flatMap((part) =>
  (['kill', 'stop', 'freeze'] as const).map((way) =>
    way === 'kill' && part === 'leader' ? killLeader : nodeDrill(way, part),
  ),
)
