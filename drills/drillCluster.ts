/**
 * Where drills happen: one cluster of their own, started once for the whole run, with real worker processes that keep
 * ledgers. It knows who plays which part (leader, follower, host of the classic queue), and it restores health between
 * drills by polled facts, so that each drill begins on a whole cluster, whatever the one before it did.
 */
import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { textOf } from 'warren'
import { Cluster, freePortBlock, NODE_NUMBERS, type ProcessChange, repositoryRoot, waitFor } from '../cluster/index.js'
import type { LedgerLine } from '../demo/ledger.js'
import {
  type DeadLetter,
  holdingQueues,
  Management,
  nameOfQueue,
  purgeQueues,
  type QueueRef,
  queueName,
  queueTypeOf,
  serverVersion,
  takeDeadLetters,
} from './broker.js'
import type { Target } from './target.js'
import { QUEUE_KEYS, type QueueKey } from './timeline.js'
import { WorkerLedgers } from './workerLedgers.js'

export const DEFAULT_DIR = '.warren-drill'
/** Few enough for two cores, enough that one may be missing at the drills' rate. */
export const WORKERS = 4
/** A message that kills its worker is given up after so many deliveries: the library's 20 would make a long drill. */
export const DELIVERY_LIMIT = 5

const HEALTHY_TIMEOUT_MS = 120_000
/** How long a classic queue may stay out of reach on a whole cluster before its node is restarted. */
const DARK_MS = 10_000
/** All policies of drills begin so, and none outlives its drill. */
const POLICY_PREFIX = 'drill-'

export interface DrillClusterOptions {
  readonly dir: string
  /** What workers run instead of the demo's worker: only sabotage does. */
  readonly workerCommand?: readonly string[]
}

export class DrillCluster implements Target {
  readonly cluster: Cluster
  readonly management: Management
  readonly #ledgers: WorkerLedgers

  static async open({ dir, workerCommand }: DrillClusterOptions): Promise<DrillCluster> {
    const { base, amqp, edge } = await freePortBlock()
    const ledgerFolder = join(resolve(dir), 'ledger')
    rmSync(ledgerFolder, { recursive: true, force: true })
    const cluster = new Cluster({
      dir,
      workers: WORKERS,
      portBase: base,
      amqpPort: amqp,
      edgePort: edge,
      prometheus: false,
      env: {
        ...process.env,
        WARREN_LEDGER_DIR: ledgerFolder,
        WARREN_CONCURRENCY: '2',
        WARREN_DELIVERY_LIMIT: String(DELIVERY_LIMIT),
        WARREN_DRILL: '1',
      },
      workerCommand: workerCommand ?? [process.execPath, join(repositoryRoot(), 'dist', 'demo', 'worker.js')],
    })
    return new DrillCluster(cluster, ledgerFolder)
  }

  private constructor(cluster: Cluster, ledgerFolder: string) {
    this.cluster = cluster
    this.management = new Management(cluster.addresses.management.nodes, cluster.passwords.admin ?? '')
    this.#ledgers = new WorkerLedgers(ledgerFolder)
  }

  get adminUrl(): string {
    return this.cluster.brokerUrl('admin')
  }

  get senderUrl(): string {
    return this.cluster.brokerUrl('client')
  }

  get resultsUrl(): string {
    return this.cluster.addresses.results
  }

  version(): Promise<string> {
    return serverVersion(this.adminUrl)
  }

  followWorkers(listener: (line: LedgerLine) => void): () => void {
    this.#ledgers.follow(listener)
    return () => this.#ledgers.stop()
  }

  readWorkers(): void {
    this.#ledgers.read()
  }

  onProcess(listener: (change: ProcessChange) => void): () => void {
    this.cluster.on('process', listener)
    return () => this.cluster.off('process', listener)
  }

  takeDeadLetters(_mine: (id: string) => boolean, found: (letter: DeadLetter) => void): Promise<void> {
    // Nobody else's can be here.
    return takeDeadLetters(this.adminUrl, () => true, found)
  }

  holding(): Promise<Set<QueueKey>> {
    return holdingQueues(this.adminUrl)
  }

  // ------------------------------------------------------------ parts

  /** The node that leads the payment queue, or another quorum queue. */
  async leader(queue: QueueRef = 'payment'): Promise<string> {
    const { leader, node } = await this.management.queue(queue)
    return nameOf(leader ?? node)
  }

  /** The node that holds the classic queue. */
  async classicHost(): Promise<string> {
    return nameOf((await this.management.queue('user')).node)
  }

  /** A node that neither leads the payment queue nor holds the classic one. */
  async follower(): Promise<string> {
    return otherThan(await this.leader(), await this.classicHost())
  }

  /** Puts the payment queue's leader on another node than the classic queue's, so that a drill hurts one at a time. */
  async separateLeader(): Promise<void> {
    const host = await this.classicHost()
    if ((await this.leader()) === host) await this.moveLeader('payment', otherThan(host))
  }

  /** Puts the leader of a quorum queue on a node. */
  async moveLeader(queue: QueueRef, to: string): Promise<void> {
    const name = nameOfQueue(queue)
    const from = await this.leader(queue)
    if (from === to) return
    const member = (node: string) => `{'%2F_${name}', '${node}@localhost'}`
    const move = `ra:transfer_leadership(${member(from)}, ${member(to)}).`
    // A member that has just come back may not be up to date enough to lead: asked again until it is.
    const moved = async () => {
      if ((await this.leader(queue)) === to) return undefined
      const said = await this.cluster.rabbitmqctl(Number(from.slice(-1)), ['eval', move])
      return `it is on ${await this.leader(queue)}, and RabbitMQ said: ${said.trim()}`
    }
    await waitFor(`a leader of ${name} on ${to}`, moved, { timeoutMs: 30_000, intervalMs: 2_000 })
  }

  // ------------------------------------------------------------ policies

  /** Changes a queue's policy until the drill is over. `change` is put over what the operator's policy says. */
  async overridePolicy(queue: QueueKey, change: Readonly<Record<string, string | number>>): Promise<void> {
    const name = queueName(queue)
    const { definition } = await this.management.request<{ definition: Record<string, unknown> }>(
      'GET',
      `/policies/%2F/${encodeURIComponent(name)}`,
    )
    await this.management.request('PUT', `/policies/%2F/${POLICY_PREFIX}${encodeURIComponent(name)}`, {
      pattern: `^${name.replaceAll('.', '\\.')}$`,
      'apply-to': 'queues',
      priority: 10,
      definition: { ...definition, ...change },
    })
    await waitFor(
      `the drill's policy on ${name}`,
      async () => {
        const { policy } = (await this.management.queue(queue)) as { policy?: string }
        return policy === `${POLICY_PREFIX}${name}` ? undefined : `the policy in force is ${policy}`
      },
      { timeoutMs: 15_000 },
    )
  }

  async #dropPolicies(): Promise<void> {
    const policies = await this.management.request<{ name: string }[]>('GET', '/policies/%2F')
    for (const { name } of policies) {
      if (!name.startsWith(POLICY_PREFIX)) continue
      await this.management.request('DELETE', `/policies/%2F/${encodeURIComponent(name)}`)
    }
  }

  // ------------------------------------------------------------ health

  /** Starts, thaws and scales whatever a drill left otherwise, and waits until all of it is well. */
  async restore(signal: AbortSignal): Promise<void> {
    const { cluster } = this
    const { processes } = await cluster.status()
    for (const { name, state } of processes) if (state === 'frozen') await cluster.thawProcess(name)
    // Nodes wait for each other, so they start together.
    await Promise.all(
      processes
        .filter(({ kind, state }) => kind !== 'worker' && state !== 'running' && state !== 'frozen')
        .map(({ name }) => cluster.startProcess(name)),
    )
    await cluster.scale(WORKERS)
    await this.mend(signal)
    await this.#dropPolicies()
    await this.empty(signal)
  }

  /** Three nodes as one, HAProxy uses all of them, each queue has its leader and all members, each worker is ready. */
  async whole(signal: AbortSignal): Promise<void> {
    const fact = async (each: AbortSignal) =>
      (await this.cluster.whole(each)) ?? (await this.#queuesWhole()) ?? (await this.#workersReady())
    await waitFor('a whole cluster', fact, { timeoutMs: HEALTHY_TIMEOUT_MS, signal, intervalMs: 250 })
  }

  /**
   * Waits for a whole cluster, and does what an operator has to do where RabbitMQ does not heal by itself: after a
   * partition the other nodes may hold the classic queue's node for down although it runs (seen on 3.10.8, when
   * autoheal picks its sides while the nodes are still meeting again); only a restart of that node mends it.
   * Gives the node that had to be restarted.
   */
  async mend(signal: AbortSignal): Promise<string | undefined> {
    if (queueTypeOf('user') === 'quorum') {
      await this.whole(signal)
      return undefined
    }
    let darkSince: number | undefined
    let restarted: string | undefined
    const fact = async (each: AbortSignal): Promise<string | undefined> => {
      const formed = await this.cluster.whole(each)
      const dark = formed === undefined ? await this.#darkFrom() : undefined
      darkSince = dark === undefined ? undefined : (darkSince ?? Date.now())
      if (darkSince !== undefined && restarted === undefined && Date.now() - darkSince > DARK_MS) {
        restarted = await this.classicHost()
        await this.cluster.restartProcess(restarted)
      }
      return formed ?? dark ?? (await this.#queuesWhole()) ?? (await this.#workersReady())
    }
    await waitFor('a whole cluster', fact, { timeoutMs: HEALTHY_TIMEOUT_MS, signal, intervalMs: 250 })
    return restarted
  }

  /** Which node does not reach the classic queue, and why. */
  async #darkFrom(): Promise<string | undefined> {
    for (const node of NODE_NUMBERS) {
      const problem = await holdingQueues(this.cluster.brokerUrl('admin', node)).then(() => undefined, textOf)
      if (problem !== undefined) return `rabbitmq-${node} says: ${problem}`
    }
    return undefined
  }

  async #queuesWhole(): Promise<string | undefined> {
    for (const key of QUEUE_KEYS) {
      for (const queue of [key, { deadLettersOf: key }]) {
        const { state, members, online, leader, consumers = 0 } = await this.management.queue(queue)
        const name = typeof queue === 'string' ? queueName(queue) : `dead letters of ${key}`
        if (state !== undefined && state !== 'running') return `${name} is ${state}`
        if (queue === key && consumers < WORKERS) return `${name} has ${consumers} consumers`
        if (queue === key && queueTypeOf(key) === 'classic') continue
        if (leader === undefined || leader === '') return `${name} has no leader`
        if (members?.length !== NODE_NUMBERS.length) return `${name} has ${members?.length ?? 0} members`
        if (online?.length !== NODE_NUMBERS.length) return `${name} has ${online?.length ?? 0} members online`
      }
    }
    return undefined
  }

  async #workersReady(): Promise<string | undefined> {
    const { processes } = await this.cluster.status()
    for (const { name, kind, state, ports } of processes) {
      if (kind !== 'worker') continue
      if (state !== 'running') return `${name} is ${state}`
      const response = await fetch(`http://127.0.0.1:${ports[0]}/healthz`)
      const body = await response.text()
      if (response.status !== 200) return `${name} is not ready: ${body.slice(0, 200)}`
    }
    return undefined
  }

  /** Nothing waits in any queue, dead letters included: a drill's ledger then holds all that there is. */
  async empty(signal: AbortSignal): Promise<void> {
    await waitFor(
      'empty queues',
      async () => {
        const holding = await holdingQueues(this.adminUrl)
        return holding.size === 0 ? undefined : `${[...holding].join(' and ')} still hold messages`
      },
      { timeoutMs: 20_000, signal },
    ).catch(async () => {
      signal.throwIfAborted()
      await purgeQueues(this.adminUrl)
    })
    await takeDeadLetters(this.adminUrl, () => true)
  }

  async close(): Promise<void> {
    this.#ledgers.stop()
    await this.cluster.stop()
  }
}

/** A node that is none of these. */
export const otherThan = (...names: readonly string[]): string =>
  nodeNames.find((name) => !names.includes(name)) ?? 'rabbitmq-3'

export const nodeNames: readonly string[] = NODE_NUMBERS.map((node) => `rabbitmq-${node}`)

const nameOf = (node: string | undefined): string => {
  if (node === undefined || node === '') throw new Error('RabbitMQ names no node for the queue')
  return node.replace(/@.*$/, '')
}

/** Tries again what may fail while a cluster heals; the last problem is what it rejects with. */
export async function persist<T>(
  what: string,
  act: () => Promise<T>,
  signal: AbortSignal,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    signal.throwIfAborted()
    try {
      return await act()
    } catch (problem) {
      if (Date.now() > deadline) throw new Error(`${what} failed: ${textOf(problem)}`, { cause: problem })
      await delay(300, undefined, { signal })
    }
  }
}
