/** The three RabbitMQ nodes as processes and as members of one cluster: what may be told from both together. */
import { textOf } from 'warren'
import type { ClusterStatus } from './clusterStatus.js'
import { serverStates } from './haproxy.js'
import type { ManagedProcess } from './managedProcess.js'
import type { Management } from './management.js'
import { NODE_NUMBERS } from './ports.js'
import type { Processes } from './processes.js'
import { nodeName } from './rabbitmqNode.js'
import { type Fact, waitFor } from './readiness.js'
import type { Settings } from './settings.js'
import { readTroubles, type Trouble } from './troubles.js'

/** Autoheal takes 6 to 8 s on an idle machine. */
const REJOIN_TIMEOUT_MS = 25_000

type NodeView = Pick<ClusterStatus['processes'][number], 'sees' | 'front'>

export class Nodes {
  readonly #processes: Processes
  readonly #management: Management

  readonly #settings: Settings

  constructor(processes: Processes, management: Management, settings: Settings) {
    this.#settings = settings
    this.#processes = processes
    this.#management = management
  }

  /** The processes as one string that changes whenever one of them does; undefined while one is down or cut off. */
  async settled(signal: AbortSignal): Promise<string | undefined> {
    const nodes = NODE_NUMBERS.map((node) => this.#of(node).status())
    if (nodes.some(({ state }) => state !== 'running')) return undefined
    if ((await this.#management.formed(signal)) !== undefined) return undefined
    return nodes.map(({ pid, since }) => `${pid} ${since}`).join()
  }

  /** By node: which nodes it sees running, and what HAProxy holds of it. Whatever cannot be asked is missing. */
  async views(askHaproxy: boolean, signal: AbortSignal): Promise<Map<string, NodeView>> {
    const front = askHaproxy ? await serverStates(this.#settings, signal).catch(() => undefined) : undefined
    const views = NODE_NUMBERS.map(async (node): Promise<[string, NodeView]> => {
      const membership = this.#running().includes(node)
        ? await this.#management.membership(node, signal).catch(() => undefined)
        : undefined
      const held = front?.get(nodeName(node))
      return [
        nodeName(node),
        { ...(membership && { sees: membership.running }), ...(held !== undefined && { front: held }) },
      ]
    })
    return new Map(await Promise.all(views))
  }

  /** What does not work although the nodes' processes run. Rejects when no node answers. */
  troubles(signal: AbortSignal): Promise<Trouble[]> {
    return readTroubles(this.#management, this.#running(), signal)
  }

  /** Nothing when somebody else has got hold of the node, or stops the cluster, in the meantime. */
  async restart(name: string, signal: AbortSignal): Promise<void> {
    const node = this.#processes.find(name)
    if (node.state !== 'running') return
    await node.stop()
    if (!signal.aborted) await node.start()
  }

  /**
   * RabbitMQ's autoheal restarts a node that comes back after its peers gave it up, but now and then one stays stuck
   * half-way, with its listeners closed (once in six times on 3.10.8). It does not recover by itself.
   */
  async bringBack(node: ManagedProcess, say: (line: string) => void, signal: AbortSignal): Promise<void> {
    const { since } = node.status()
    const untouched = () => node.state === 'running' && node.status().since === since
    const seen: Fact = async (each) => {
      if (!untouched()) return undefined
      const views = await Promise.all(this.#running().map((number) => this.#management.membership(number, each)))
      return views.every(({ running }) => running.includes(node.name)) ? undefined : `not all see ${node.name}`
    }
    const options = { timeoutMs: REJOIN_TIMEOUT_MS, intervalMs: 500, signal }
    await waitFor(`${node.name} back among its peers`, seen, options).catch(async (problem) => {
      signal.throwIfAborted()
      if (!untouched()) return
      say(`${textOf(problem)}; restarting it`)
      await node.kill()
      if (!signal.aborted) await node.start()
    })
  }

  #of(node: number): ManagedProcess {
    return this.#processes.find(nodeName(node))
  }

  #running(): number[] {
    const processes = this.#processes.all()
    return NODE_NUMBERS.filter((node) => processes.find(({ name }) => name === nodeName(node))?.state === 'running')
  }
}
