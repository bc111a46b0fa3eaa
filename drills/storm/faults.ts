/** Carries out the faults of a storm, each with its own repair. */
import { setTimeout as delay } from 'node:timers/promises'
import { waitFor } from '../../cluster/index.js'
import type { DrillCluster } from '../drillCluster.js'
import { nodeNames } from '../nodes.js'
import type { TcpProxy } from '../tcpProxy.js'
import type { Frozen } from './check.js'
import { type Fault, faultWords, type Gust } from './plan.js'

/** What `config/rabbitmq/rabbitmq.conf` says. */
const NORMAL_WATERMARK = '0.2'
const CUT_EVERY_MS = 1_000
const FAILOVER_TIMEOUT_MS = 60_000
/** Workers may still have no store after the old primary is back. */
const FAILING_OVER_MS = 10_000

export interface Ground {
  readonly drillCluster: DrillCluster
  readonly proxy: TcpProxy
  readonly workers: number
  readonly storeReplica: boolean
  readonly signal: AbortSignal
  readonly say: (line: string) => void
  /** When workers stood still or had no store: the checker must know. */
  readonly frozen: Frozen[]
}

/** Resolves when all of them are over and repaired. A repair that fails rejects, once the others are through. */
export async function blow(gust: Gust, ground: Ground): Promise<void> {
  const all = await Promise.allSettled(
    gust.faults.map(async ({ afterMs, fault }) => {
      await delay(afterMs, undefined, { signal: ground.signal })
      ground.say(`FAULT  ${faultWords(fault)}`)
      await carryOut(fault, ground)
      ground.say(`over   ${faultWords(fault)}`)
    }),
  )
  for (const each of all) if (each.status === 'rejected') throw each.reason
}

async function carryOut(fault: Fault, ground: Ground): Promise<void> {
  const { drillCluster, proxy, workers, signal, frozen, storeReplica } = ground
  const { cluster } = drillCluster
  const hold = () => delay(fault.holdMs, undefined, { signal })
  const away = async (name: string, take: (name: string) => Promise<void>, back = cluster.startProcess) => {
    await take(name)
    try {
      await hold()
    } finally {
      await back(name)
    }
  }
  const withoutStore = async (act: (primary: string) => Promise<void>) => {
    const from = Date.now()
    await act(await cluster.storePrimary())
    frozen.push({ worker: 'all', from, to: Date.now() + (storeReplica ? FAILING_OVER_MS : 0) })
  }
  switch (fault.kind) {
    case 'killNode':
      return away(`rabbitmq-${fault.node}`, cluster.killProcess)
    case 'stopNode':
      return away(`rabbitmq-${fault.node}`, cluster.stopProcess)
    case 'freezeNode':
      return away(`rabbitmq-${fault.node}`, cluster.freezeProcess, cluster.thawProcess)
    case 'loseMajority': {
      const lost = nodeNames.filter((name) => name !== `rabbitmq-${fault.node}`)
      await Promise.all(lost.map(cluster.killProcess))
      await hold()
      await Promise.all(lost.map(cluster.startProcess))
      return
    }
    case 'partition':
      return partition(fault.node, ground, hold)
    case 'memoryAlarm':
      await cluster.rabbitmqctl(fault.node, ['set_vm_memory_high_watermark', '0.001'])
      await hold()
      await cluster.rabbitmqctl(fault.node, ['set_vm_memory_high_watermark', NORMAL_WATERMARK])
      return
    case 'killHaproxy':
      return away('haproxy', cluster.killProcess)
    case 'killStore':
      return withoutStore((primary) => away(primary, cluster.killProcess))
    case 'freezeStore':
      return withoutStore((primary) => away(primary, cluster.freezeProcess, cluster.thawProcess))
    case 'restartStore':
      return withoutStore((primary) => cluster.restartProcess(primary))
    case 'failStoreOver':
      return withoutStore(async (primary) => {
        await cluster.killProcess(primary)
        const other = async () => ((await cluster.storePrimary()) === primary ? 'not yet' : undefined)
        await waitFor('another primary of the store', other, { timeoutMs: FAILOVER_TIMEOUT_MS, signal }).finally(() =>
          cluster.startProcess(primary),
        )
        await hold()
      })
    case 'killWorker': {
      const { processes } = await cluster.status()
      const pid = processes.find(({ name }) => name === `worker-${fault.worker}`)?.pid
      // From outside, as the kernel would: the launcher starts it again. One that a killer took is gone already.
      if (pid !== undefined) killed(pid)
      return
    }
    case 'stopWorker':
      return away(`worker-${fault.worker}`, cluster.stopProcess)
    case 'freezeWorker': {
      const name = `worker-${fault.worker}`
      const from = Date.now()
      await away(name, cluster.freezeProcess, cluster.thawProcess)
      frozen.push({ worker: name, from, to: Date.now() })
      return
    }
    case 'scaleWorkers':
      await cluster.scale(fault.workers)
      await hold()
      await cluster.scale(workers)
      return
    case 'cutConnections':
      for (let time = 0; time < fault.times; time++) {
        proxy.cut()
        await delay(CUT_EVERY_MS, undefined, { signal })
      }
      return
    default:
      fault satisfies never
  }
}

/** As in the drill `partition`: the node gets a wrong cookie for its peers, in its memory alone. */
async function partition(
  number: number,
  { drillCluster: { cluster } }: Ground,
  hold: () => Promise<void>,
): Promise<void> {
  const peers = nodeNames.filter((name) => name !== `rabbitmq-${number}`).map((name) => `'${name}@localhost'`)
  const list = `Peers = [${peers.join(', ')}]`
  const evaluate = (expression: string) => cluster.rabbitmqctl(number, ['eval', `${list}, ${expression}`])
  await evaluate(
    `[erlang:set_cookie(P, 'cut off by a drill') || P <- Peers], [erlang:disconnect_node(P) || P <- Peers].`,
  )
  await hold()
  await evaluate(
    `[erlang:set_cookie(P, erlang:get_cookie()) || P <- Peers], [spawn(net_kernel, connect_node, [P]) || P <- Peers].`,
  )
}

function killed(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}
