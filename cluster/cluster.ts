import { EventEmitter } from 'node:events'
import { existsSync } from 'node:fs'
import type { Server } from 'node:http'
import { textOf } from 'warren'
import { type Binaries, findBinaries } from './binaries.js'
import { addressesOf, type ClusterAddresses, type ClusterState, type ClusterStatus } from './clusterStatus.js'
import { serveControl } from './control.js'
import { checkDataVersion } from './dataVersion.js'
import { epmd } from './epmd.js'
import { runTool } from './erlang.js'
import { ClusterError } from './errors.js'
import { dropUnformedData, form } from './formation.js'
import { allServersUp } from './haproxy.js'
import { endLeftovers } from './leftovers.js'
import { releaseLock, takeLock } from './lock.js'
import type { ManagedProcess } from './managedProcess.js'
import { Management } from './management.js'
import { Nodes } from './nodes.js'
import { LOOPBACK, neededPorts, ports, requireFree } from './ports.js'
import type { ProcessChange } from './processDefinition.js'
import { Processes } from './processes.js'
import { writeTargets } from './prometheus.js'
import { nodeName } from './rabbitmqNode.js'
import { Repairs } from './repairs.js'
import { servers } from './servers.js'
import { type ClusterOptions, type Settings, settle } from './settings.js'
import { prepareStore, storeFormed, storePrimary, storeWhole } from './store.js'
import { WorkerPool } from './workerPool.js'

/** A status polls RabbitMQ and HAProxy, which must not delay it if a node is frozen. */
const STATUS_TIMEOUT_MS = 1_000
/**
 * The whole local system as one object: three RabbitMQ nodes, HAProxy, the store, Prometheus and the workers. It owns
 * their processes, the folder's lock and the control socket.
 *
 * `start()` resolves when all of it is ready by polled facts, and undoes itself in reverse order when anything fails.
 * `stop()` leaves no process, no port and no socket; it is safe before the start, during it, and twice.
 *
 * States: `stopped` → `starting` → `running` → `stopping` → `stopped`, and `starting` → `stopping` on failure or an
 * early stop. Events: `progress` (a line for people), `process` (one per transition of a process), `state`, `repaired`
 * (the name of a node that was restarted because RabbitMQ did not heal by itself).
 */
export class Cluster extends EventEmitter<{
  progress: [string]
  process: [ProcessChange]
  state: [ClusterState]
  repaired: [string]
}> {
  readonly #settings: Settings
  readonly #management: Management
  readonly #repairs: Repairs
  #state: ClusterState = 'stopped'
  #binaries: Binaries | undefined
  readonly #processes = new Processes((change) => this.#report(change))
  readonly #nodes: Nodes
  #control: Server | undefined
  #locked = false
  #abort: AbortController | undefined
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  constructor(options: ClusterOptions = {}) {
    super()
    this.#settings = settle(options)
    this.#management = new Management(this.#settings)
    this.#nodes = new Nodes(this.#processes, this.#management, this.#settings)
    this.#repairs = new Repairs({
      settled: (signal) => this.#nodes.settled(signal),
      look: (signal) => this.#nodes.troubles(signal),
      startVirtualHost: (vhost, node, signal) => this.#management.startVirtualHost(vhost, node, signal),
      restartNode: async (name, signal) => {
        this.emit('repaired', name)
        await this.#nodes.restart(name, signal)
      },
      say: (line) => this.emit('progress', line),
    })
  }

  get state(): ClusterState {
    return this.#state
  }

  get dir(): string {
    return this.#settings.folder.path
  }

  /** By user name: `admin`, `operator`, `service`, `client`. */
  get passwords(): Readonly<Record<string, string>> {
    return this.#settings.passwords
  }

  get addresses(): ClusterAddresses {
    return addressesOf(this.#settings, this.names().includes('prometheus'))
  }

  /** HAProxy's AMQP address for one of the users, including the password; with `node`, that node's address without HAProxy. */
  brokerUrl(user: string, node?: number): string {
    const { ports: plan, passwords } = this.#settings
    const port = node === undefined ? plan.amqp : ports.nodeAmqp(plan, node)
    return `amqp://${user}:${encodeURIComponent(passwords[user] ?? '')}@${LOOPBACK}:${port}`
  }

  names(): string[] {
    return this.#processes.names()
  }

  start(): Promise<void> {
    if (this.#starting !== undefined) return this.#starting
    if (this.#state !== 'stopped') {
      return Promise.reject(new ClusterError('WRONG_STATE', `Cannot start the cluster: it is ${this.#state}`))
    }
    this.#set('starting')
    this.#abort = new AbortController()
    const { signal } = this.#abort
    this.#starting = this.#bringUp(signal)
      .then(() => {
        signal.throwIfAborted()
        this.#set('running')
      })
      .catch(async (problem) => {
        await this.#tearDown()
        throw problem
      })
      .finally(() => {
        this.#starting = undefined
      })
    return this.#starting
  }

  async stop(): Promise<void> {
    this.#abort?.abort(new ClusterError('INTERRUPTED', 'The cluster was stopped while it was starting'))
    const starting = this.#starting
    if (starting === undefined) return this.#tearDown()
    this.#set('stopping')
    // Ends the waits of start() early, and start() then cleans up, because only it knows its progress.
    await this.#processes.end()
    await starting.catch(() => {})
    await this.#tearDown()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  startProcess = (name: string): Promise<void> => this.#processes.find(name).start()
  killProcess = (name: string): Promise<void> => this.#processes.find(name).kill()
  restartProcess = (name: string): Promise<void> => this.#processes.find(name).restart()
  stopProcess = async (name: string): Promise<void> => {
    await this.#processes.find(name).stop()
  }
  freezeProcess = async (name: string): Promise<void> => this.#processes.find(name).freeze()
  /** Resolves at once. A RabbitMQ node that does not rejoin the others is restarted after a while. */
  thawProcess = async (name: string): Promise<void> => {
    const process = this.#processes.find(name)
    process.thaw()
    if (process.status().kind === 'rabbitmq') void this.#bringBack(process)
  }

  #bringBack(node: ManagedProcess): Promise<void> {
    const signal = this.#abort?.signal ?? AbortSignal.abort()
    return this.#nodes.bringBack(node, (line) => this.emit('progress', line), signal).catch(() => {})
  }

  /** Runs `rabbitmqctl` against one node and returns what it prints. Slow: each call starts an Erlang machine. */
  async rabbitmqctl(node: number, args: readonly string[]): Promise<string> {
    if (this.#binaries === undefined) {
      throw new ClusterError('WRONG_STATE', `Cannot run rabbitmqctl: the cluster is ${this.#state}`)
    }
    return runTool(this.#settings, this.#binaries, 'rabbitmqctl', node, args)
  }

  /** Starts or drains workers until there are `workers` of them. Other processes are not affected. */
  async scale(workers: number): Promise<void> {
    const pool = this.#processes.workers
    if (pool === undefined) throw new ClusterError('WRONG_STATE', `Cannot scale: the cluster is ${this.#state}`)
    await pool.scale(workers)
  }

  async status(): Promise<ClusterStatus> {
    const signal = AbortSignal.timeout(STATUS_TIMEOUT_MS)
    const running = this.#state === 'running'
    const [views, troubles] = await Promise.all([
      this.#nodes.views(running, signal),
      running ? this.#nodes.troubles(signal).catch(() => undefined) : undefined,
    ])
    const processes = this.#processes.all().map((each) => ({ ...each.status(), ...views.get(each.name) }))
    const about = { dir: this.dir, pid: process.pid, state: this.#state, addresses: this.addresses, processes }
    return troubles === undefined ? about : { ...about, troubles }
  }

  /** Which server holds the results; `valkey`, unless a replica has taken its place. */
  storePrimary = (): Promise<string> => storePrimary(this.#settings, AbortSignal.timeout(STATUS_TIMEOUT_MS))

  /** The fact that the nodes are one cluster, that nothing blocks publishers and that HAProxy uses all of them. */
  async whole(signal: AbortSignal): Promise<string | undefined> {
    const settings = this.#settings
    return (
      (await this.#management.formed(signal)) ??
      (await allServersUp(settings, signal)) ??
      (settings.storeReplica ? await storeWhole(settings, signal) : undefined)
    )
  }

  // ------------------------------------------------------------ start

  async #bringUp(signal: AbortSignal): Promise<void> {
    const { folder, ports: plan, workers, env } = this.#settings
    const say = (line: string) => this.emit('progress', line)
    const startedAt = Date.now()

    const binaries = findBinaries(env)
    this.#binaries = binaries
    folder.prepare()
    if (takeLock(folder).stale) say('an earlier launcher in this folder was killed')
    this.#locked = true
    await endLeftovers(folder, say)
    const prometheusBinary = this.#settings.prometheus ? binaries.prometheus : undefined
    const { console, storeReplica } = this.#settings
    const parts = { prometheus: prometheusBinary !== undefined, console, storeReplica }
    await requireFree(neededPorts(plan, workers, parts))
    checkDataVersion(this.#settings, binaries.rabbitmqVersion)
    dropUnformedData(this.#settings)
    prepareStore(this.#settings)
    signal.throwIfAborted()

    const mapper = this.#processes.add(epmd(this.#settings, binaries))
    const others = servers(this.#settings, binaries, this.#management).map((each) => this.#processes.add(each))
    const pool = new WorkerPool(this.#settings, {
      onChange: (change) => this.#report(change),
      onScale: (numbers) => writeTargets(this.#settings, numbers),
    })
    this.#processes.workers = pool
    writeTargets(this.#settings, [])
    if (this.#settings.prometheus && !prometheusBinary) say('prometheus: not installed, so there are no charts')

    await mapper.start()
    signal.throwIfAborted()
    await Promise.all(others.map((process) => this.#startOne(process, signal)))
    await form({ settings: this.#settings, binaries, management: this.#management, say, signal })
    say(`cluster: three nodes as one after ${seconds(startedAt)}`)
    if (storeReplica) await storeFormed(this.#settings, signal)

    await pool.scale(workers)
    this.#control = await serveControl(this, folder.controlSocket)
    this.#repairs.start()
    signal.throwIfAborted()
    say(`ready after ${seconds(startedAt)}`)
  }

  /**
   * Nodes with data start together, since each waits for the one that stopped last. Without data, nodes 2 and 3 start
   * once node 1 is ready: one that joins a node in the middle of its first boot finds tables half migrated, and ends.
   */
  async #startOne(process: ManagedProcess, signal: AbortSignal): Promise<void> {
    const isLaterNode = process.status().kind === 'rabbitmq' && process.name !== nodeName(1)
    if (isLaterNode && !existsSync(this.#settings.folder.formedMark)) await this.#processes.find(nodeName(1)).start()
    signal.throwIfAborted()
    await process.start()
  }

  // ------------------------------------------------------------ stop

  /** One at a time: a second call waits for the first. */
  #tearDown(): Promise<void> {
    this.#stopping ??= this.#undo().finally(() => {
      this.#stopping = undefined
    })
    return this.#stopping
  }

  async #undo(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#set('stopping')
    this.#repairs.stop()
    this.#control?.close()
    this.#control?.closeAllConnections()
    this.#control = undefined
    await this.#processes.end()
    this.#processes.forget()
    if (this.#locked) releaseLock(this.#settings.folder)
    this.#locked = false
    this.#set('stopped')
  }

  // ------------------------------------------------------------ events

  #set(state: ClusterState): void {
    if (this.#state === state) return
    this.#state = state
    this.emit('state', state)
  }

  #report(change: ProcessChange): void {
    this.emit('process', change)
    const { name, state, detail } = change
    this.emit('progress', `${name}: ${state}${detail ? `: ${textOf(detail)}` : ''}`)
  }
}

const seconds = (since: number): string => `${((Date.now() - since) / 1000).toFixed(1)} s`
