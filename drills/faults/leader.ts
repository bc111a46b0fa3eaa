/**
 * The loss of the payment queue's leader, measured against amqplib alone in the same run. Two bare clients run beside
 * the load, each with a quorum queue of its own that the same node leads: one is connected to that node and has to
 * connect anew, as tightly as can be; the other is connected to the nodes that stay, and sees nothing but the election.
 */
import { BareClient } from '../bareClient.js'
import type { Drill, Evidence } from '../drill.js'
import { nodeNames } from '../nodes.js'
import type { Flow } from '../timeline.js'
import { seconds } from '../verdict.js'
import { AWAY_MS, nodeDrill, paymentsWentOn } from './node.js'

const MOST_TIMES_BARE = 2
const BARE_RATE = 50
const BARE_BEFORE_MS = 1_000

export const killLeader: Drill = {
  ...nodeDrill('kill', 'leader'),
  holds: `The two other nodes elect a new leader; payments pause at most ${MOST_TIMES_BARE} times as long as with amqplib alone in a tight reconnect loop.`,
  async fault({ drillCluster, mark, hold, defer, numbers }) {
    const node = await drillCluster.leader()
    const urlOf = (name: string) => drillCluster.cluster.brokerUrl('admin', Number(name.slice(-1)))
    const others = nodeNames.filter((name) => name !== node).map(urlOf)
    const base = { leaderUrl: urlOf(node), ratePerSecond: BARE_RATE }
    const reconnecting = await BareClient.open({ ...base, queue: 'drill.reconnecting', urls: [urlOf(node), ...others] })
    defer(() => reconnecting.close())
    const undisturbed = await BareClient.open({ ...base, queue: 'drill.undisturbed', urls: others })
    defer(() => undisturbed.close())
    await hold(BARE_BEFORE_MS)
    const from = Date.now()
    mark('fault', `Killed ${node}, the node that leads the payment queue (SIGKILL)`)
    await drillCluster.cluster.killProcess(node)
    await hold(AWAY_MS)
    const to = Date.now()
    numbers.set('from', from).set('to', to)
    numbers.set('reconnecting', reconnecting.longestPauses(from, to).delivered)
    numbers.set('undisturbed', undisturbed.longestPauses(from, to).delivered)
    reconnecting.stop()
    undisturbed.stop()
    mark('phase', `Starting ${node} again`)
    await drillCluster.cluster.startProcess(node)
    mark('repair', `${node} is back`)
  },
  check(evidence) {
    const { warren, reconnecting } = pausesOf(evidence)
    const slow = warren > reconnecting * MOST_TIMES_BARE
    return [
      ...paymentsWentOn(evidence, 'kill'),
      ...(slow
        ? [
            `payments paused for ${seconds(warren)}, more than ${MOST_TIMES_BARE} times the ${seconds(reconnecting)} of amqplib alone`,
          ]
        : []),
    ]
  },
  tell(evidence) {
    const { warren, confirmed, reconnecting, undisturbed } = pausesOf(evidence)
    return [
      `The longest time without a confirmed send of a payment: ${seconds(confirmed)}.`,
      `After the kill, payments paused for ${seconds(warren)}. Deliveries of amqplib alone paused for ${seconds(reconnecting)} on a client that lost its connections too and came back in a tight loop, and for ${seconds(undisturbed)} on one that was connected to the other nodes.`,
    ]
  },
}

function pausesOf({
  timeline,
  numbers,
}: Evidence): Readonly<Record<'warren' | 'confirmed' | 'reconnecting' | 'undisturbed', number>> {
  const number = (name: string): number => numbers.get(name) ?? 0
  const longest = (flow: Flow): number => timeline.longestPause(flow, 'payment', number('from'), number('to')).ms
  return {
    ...{ warren: longest('finished'), confirmed: longest('confirmed') },
    ...{ reconnecting: number('reconnecting'), undisturbed: number('undisturbed') },
  }
}
