/** Whether the drills' own cluster is well, as a fact to wait for: nodes, HAProxy, queues, workers. */
import { textOf } from 'warren'
import { type Cluster, NODE_NUMBERS, waitFor } from '../cluster/index.js'
import { holdingQueues, type Management, queueName, queueTypeOf } from './broker.js'
import { QUEUE_KEYS } from './timeline.js'

const HEALTHY_TIMEOUT_MS = 120_000

export class Health {
  readonly #cluster: Cluster
  readonly #management: Management
  readonly #workers: number

  constructor(cluster: Cluster, management: Management, workers: number) {
    this.#cluster = cluster
    this.#management = management
    this.#workers = workers
  }

  /** Three nodes as one, HAProxy uses all of them, each queue has its leader and all members, each worker is ready. */
  async whole(signal: AbortSignal): Promise<void> {
    const fact = async (each: AbortSignal) =>
      (await this.#cluster.whole(each)) ??
      (await this.#darkFrom()) ??
      (await this.#queuesWhole()) ??
      (await this.#workersReady())
    await waitFor('a whole cluster', fact, { timeoutMs: HEALTHY_TIMEOUT_MS, signal, intervalMs: 250 })
  }

  /**
   * Waits for a whole cluster. RabbitMQ does not always heal by itself: after a partition the other nodes may hold the
   * classic queue's node for down although it runs (seen on 3.10.8, when autoheal picks its sides while the nodes are
   * still meeting again). The launcher then restarts that node; this returns the name of the node that it restarted.
   */
  async heal(signal: AbortSignal): Promise<string | undefined> {
    let restarted: string | undefined
    const note = (name: string) => {
      restarted = name
    }
    this.#cluster.on('repaired', note)
    try {
      await this.whole(signal)
      return restarted
    } finally {
      this.#cluster.off('repaired', note)
    }
  }

  /** Which node does not reach the classic queue, and why. */
  async #darkFrom(): Promise<string | undefined> {
    if (queueTypeOf('user') === 'quorum') return undefined
    for (const node of NODE_NUMBERS) {
      const problem = await holdingQueues(this.#cluster.brokerUrl('admin', node)).then(() => undefined, textOf)
      if (problem !== undefined) return `rabbitmq-${node} says: ${problem}`
    }
    return undefined
  }

  async #queuesWhole(): Promise<string | undefined> {
    for (const key of QUEUE_KEYS) {
      for (const queue of [key, { deadLettersOf: key }]) {
        const { state, members, online, leader, consumers = 0 } = await this.#management.queue(queue)
        const name = typeof queue === 'string' ? queueName(queue) : `dead letters of ${key}`
        if (state !== undefined && state !== 'running') return `${name} is ${state}`
        if (queue === key && consumers < this.#workers) return `${name} has ${consumers} consumers`
        if (queue === key && queueTypeOf(key) === 'classic') continue
        if (leader === undefined || leader === '') return `${name} has no leader`
        if (members?.length !== NODE_NUMBERS.length) return `${name} has ${members?.length ?? 0} members`
        if (online?.length !== NODE_NUMBERS.length) return `${name} has ${online?.length ?? 0} members online`
      }
    }
    return undefined
  }

  async #workersReady(): Promise<string | undefined> {
    const { processes } = await this.#cluster.status()
    for (const { name, kind, state, ports } of processes) {
      if (kind !== 'worker') continue
      if (state !== 'running') return `${name} is ${state}`
      const response = await fetch(`http://127.0.0.1:${ports[0]}/healthz`)
      const body = await response.text()
      if (response.status !== 200) return `${name} is not ready: ${body.slice(0, 200)}`
    }
    return undefined
  }
}
