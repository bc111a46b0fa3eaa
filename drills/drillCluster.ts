/**
 * Where drills happen: one cluster of their own, started once for the whole run, with real worker processes that keep
 * ledgers. It knows who plays which part (leader, follower, host of the classic queue), and it restores health between
 * drills by polled facts, so that each drill begins on a whole cluster, whatever the one before it did.
 */
import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Cluster, freePortBlock, type ProcessChange, repositoryRoot, waitFor } from '../cluster/index.js'
import type { LedgerLine } from '../demo/ledger.js'
import {
  type DeadLetter,
  holdingQueues,
  Management,
  nameOfQueue,
  purgeQueues,
  type QueueRef,
  serverVersion,
  takeDeadLetters,
} from './broker.js'
import { Health } from './health.js'
import { otherThan } from './nodes.js'
import { dropPolicies, overridePolicy } from './policies.js'
import type { Target } from './target.js'
import type { QueueKey } from './timeline.js'
import { WorkerLedgers } from './workerLedgers.js'

export const DEFAULT_DIR = '.warren-drill'
/** Few enough for two cores, enough that one may be missing at the drills' rate. */
export const WORKERS = 4
/** A message that kills its worker is given up after so many deliveries: the library's 20 would make a long drill. */
export const DELIVERY_LIMIT = 5

export interface DrillClusterOptions {
  readonly dir: string
  /** What workers run instead of the demo's worker: only sabotage does. */
  readonly workerCommand?: readonly string[]
  readonly storeReplica?: boolean
  /** More of the workers' environment. */
  readonly env?: NodeJS.ProcessEnv
}

export class DrillCluster implements Target {
  readonly cluster: Cluster
  readonly management: Management
  readonly #ledgers: WorkerLedgers
  readonly #health: Health

  static async open({
    dir,
    workerCommand,
    storeReplica = false,
    env = {},
  }: DrillClusterOptions): Promise<DrillCluster> {
    const { base, amqp, edge } = await freePortBlock()
    // A folder of its own: a store without a replica refuses the results that a replica took over.
    const folder = resolve(storeReplica ? `${dir}-replica` : dir)
    const ledgerFolder = join(folder, 'ledger')
    rmSync(ledgerFolder, { recursive: true, force: true })
    const cluster = new Cluster({
      dir: folder,
      workers: WORKERS,
      portBase: base,
      amqpPort: amqp,
      edgePort: edge,
      prometheus: false,
      storeReplica,
      env: {
        ...process.env,
        WARREN_LEDGER_DIR: ledgerFolder,
        WARREN_CONCURRENCY: '2',
        WARREN_DELIVERY_LIMIT: String(DELIVERY_LIMIT),
        WARREN_DRILL: '1',
        ...env,
      },
      workerCommand: workerCommand ?? [process.execPath, join(repositoryRoot(), 'dist', 'demo', 'worker.js')],
    })
    return new DrillCluster(cluster, ledgerFolder)
  }

  private constructor(cluster: Cluster, ledgerFolder: string) {
    this.cluster = cluster
    this.management = new Management(cluster.addresses.management.nodes, cluster.passwords.admin ?? '')
    this.#health = new Health(cluster, this.management, WORKERS)
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

  // ------------------------------------------------------------ health

  /** Starts, thaws and scales whatever a drill left otherwise, and waits until all of it is well, with empty queues. */
  async restore(signal: AbortSignal): Promise<void> {
    await this.revive(signal)
    await dropPolicies(this.management)
    await this.empty(signal)
  }

  /** The same, whatever the queues hold. */
  async revive(signal: AbortSignal): Promise<void> {
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
    await this.heal(signal)
  }

  whole(signal: AbortSignal): Promise<void> {
    return this.#health.whole(signal)
  }

  /** Waits for a whole cluster, and returns the node that the launcher had to restart, if any. */
  heal(signal: AbortSignal): Promise<string | undefined> {
    return this.#health.heal(signal)
  }

  /** Changes a queue's policy until the drill is over. `change` is put over what the operator's policy says. */
  overridePolicy(queue: QueueKey, change: Readonly<Record<string, string | number>>): Promise<void> {
    return overridePolicy(this.management, queue, change)
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

const nameOf = (node: string | undefined): string => {
  if (node === undefined || node === '') throw new Error('RabbitMQ reports no node for the queue')
  return node.replace(/@.*$/, '')
}
