/**
 * Faults of one RabbitMQ node, by the part it plays: leader of the payment queue, a follower, or host of the classic
 * queue. Each node is killed, stopped or frozen, stays away for a while, and rejoins.
 */
import { type Drill, type Evidence, pauseOf, type Scene } from '../drill.js'
import type { DrillCluster } from '../drillCluster.js'
import { seconds } from '../verdict.js'

export type Way = 'kill' | 'stop' | 'freeze'
export type Part = 'leader' | 'follower' | 'classic-host'

export const AWAY_MS = 5_000
/** Longer than the 12.5 s after which other nodes give up a silent one, and than HAProxy's 3 s. */
const FROZEN_MS = 15_000

const partWords: Record<Part, string> = {
  leader: 'the node that leads the payment queue',
  follower: 'a node that leads no queue',
  'classic-host': 'the node that holds the classic queue',
}

const find: Record<Part, (drillCluster: DrillCluster) => Promise<string>> = {
  leader: (drillCluster) => drillCluster.leader(),
  follower: (drillCluster) => drillCluster.follower(),
  'classic-host': (drillCluster) => drillCluster.classicHost(),
}

const ways: Record<Way, { does: string; run: (scene: Scene, node: string, words: string) => Promise<void> }> = {
  kill: {
    does: 'Kills',
    async run({ drillCluster: { cluster }, mark, hold, numbers }, node, words) {
      mark('fault', `Killed ${node}, ${words} (SIGKILL)`)
      await cluster.killProcess(node)
      numbers.set('awayFrom', Date.now())
      await hold(AWAY_MS)
      numbers.set('awayTo', Date.now())
      mark('phase', `Starting ${node} again`)
      await cluster.startProcess(node)
      mark('repair', `${node} is back`)
    },
  },
  stop: {
    does: 'Stops',
    async run({ drillCluster: { cluster }, mark, hold, numbers }, node, words) {
      mark('fault', `Stopping ${node}, ${words} (SIGTERM)`)
      await cluster.stopProcess(node)
      mark('seen', `${node} has stopped`)
      numbers.set('awayFrom', Date.now())
      await hold(AWAY_MS)
      numbers.set('awayTo', Date.now())
      mark('phase', `Starting ${node} again`)
      await cluster.startProcess(node)
      mark('repair', `${node} is back`)
    },
  },
  freeze: {
    does: 'Freezes',
    async run({ drillCluster, mark, hold, signal }, node, words) {
      mark('fault', `Froze ${node}, ${words} (SIGSTOP)`)
      await drillCluster.cluster.freezeProcess(node)
      await hold(FROZEN_MS)
      mark('repair', `${node} continues (SIGCONT), and finds that the others consider it down`)
      await drillCluster.cluster.thawProcess(node)
      // RabbitMQ restarts it from the inside when the others had given it up.
      const restarted = await drillCluster.heal(signal)
      mark(
        'repair',
        restarted === undefined
          ? `${node} is a member again`
          : `The other nodes still took ${restarted} for down, which runs: the launcher restarted it`,
      )
    },
  },
}

export function nodeDrill(way: Way, part: Part): Drill {
  return {
    name: `${way}-${part}`,
    does: `${ways[way].does} ${partWords[part]}, and lets it rejoin.`,
    holds:
      part === 'leader'
        ? 'The two other nodes elect a new leader and payments continue.'
        : 'Payments continue, because two of three members are up.',
    async prepare({ drillCluster }) {
      await drillCluster.separateLeader()
    },
    async fault(scene) {
      await ways[way].run(scene, await find[part](scene.drillCluster), partWords[part])
    },
    check: (evidence) => paymentsWentOn(evidence, way),
    tell: (evidence) => [
      `Payments: longest pause in confirms ${seconds(pauseOf(evidence, 'confirmed', 'payment'))}, in finished tasks ${seconds(pauseOf(evidence, 'finished', 'payment'))}.`,
    ],
  }
}

/** A frozen node is told from a slow one only by time: HAProxy takes 3 s, the other nodes up to 12.5 s. */
const LONGEST_PAUSE_MS: Record<Way, number> = { kill: 3_000, stop: 3_000, freeze: 20_000 }

export function paymentsWentOn(evidence: Evidence, way: Way): string[] {
  const limit = LONGEST_PAUSE_MS[way]
  return (['confirmed', 'finished'] as const).flatMap((flow) => {
    const pause = pauseOf(evidence, flow, 'payment')
    return pause <= limit ? [] : [`payments paused for ${seconds(pause)} (${flow}), expected at most ${seconds(limit)}`]
  })
}
