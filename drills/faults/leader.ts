/** The loss of the payment queue's leader, measured against what amqplib alone would see. */
import { BareClient } from '../bareClient.js'
import type { Drill, Evidence } from '../drill.js'
import { nodeNames } from '../stage.js'
import { seconds } from '../verdict.js'
import { AWAY_MS, nodeDrill, paymentsWentOn } from './node.js'

const MOST_TIMES_BARE = 2
const BARE_BEFORE_MS = 1_000

/**
 * Beside the load runs amqplib alone, with a quorum queue of its own led by the same node, so that both clients lose
 * their leader, and the bare one its connections too, at the same instant on the same machine.
 */
export const killLeader: Drill = {
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
    mark('fault', `Killed ${node}, the node that leads the payment queue (SIGKILL)`)
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
