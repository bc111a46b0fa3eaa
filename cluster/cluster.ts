import { EventEmitter } from 'node:events'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { didYouMean, textOf } from 'warren'
import { type Binaries, findBinaries } from './binaries.js'
import type { ClusterAddresses, ClusterState, ClusterStatus } from './clusterStatus.js'
import { consoleProcess } from './console.js'
import { serveControl } from './control.js'
import { epmd } from './epmd.js'
import { runTool } from './erlang.js'
import { ClusterError } from './errors.js'
import { allServersUp, haproxy, serverStates } from './haproxy.js'
import { endLeftovers } from './leftovers.js'
import { releaseLock, takeLock } from './lock.js'
import { ManagedProcess, type ProcessChange, type ProcessDefinition } from './managedProcess.js'
import { Management } from './management.js'
import { LOOPBACK, NODE_NUMBERS, neededPorts, ports, requireFree } from './ports.js'
import { prometheus, storeExporter, writeTargets } from './prometheus.js'
import { nodeName, rabbitmqNode } from './rabbitmqNode.js'
import { type Fact, waitFor } from './readiness.js'
import { type ClusterOptions, type Settings, settle } from './settings.js'
import { store } from './store.js'
import { WorkerPool } from './workerPool.js'

/** Two polls of RabbitMQ and HAProxy for a status must not hold it up when a node is frozen. */
const STATUS_TIMEOUT_MS = 1_000
const FORMED_TIMEOUT_MS = 90_000
/** Autoheal takes 6 to 8 s on an idle machine. */
const REJOIN_TIMEOUT_MS = 25_000

/**
 * The whole local system as one object: three RabbitMQ nodes, HAProxy, the store, Prometheus and the workers. It owns
 * their processes, the folder's lock and the control socket.
 *
 * `start()` resolves when all of it is ready by polled facts, and undoes itself in reverse order when anything fails.
 * `stop()` leaves no process, no port and no socket; it is safe before the start, during it, and twice.
 *
 * States: `stopped` → `starting` → `running` → `stopping` → `stopped`, and `starting` → `stopping` on failure or an
 * early stop. Events: `progress` (a line for people), `process` (one per transition of a process), `state`.
 */
export class Cluster extends EventEmitter<{
  progress: [string]
  process: [ProcessChange]
  state: [ClusterState]
}> {
  readonly #settings: Settings
  readonly #management: Management
  #state: ClusterState = 'stopped'
  #binaries: Binaries | undefined
  /** In the order of their start; workers apart. */
  #processes: ManagedProcess[] = []
  #workers: WorkerPool | undefined
  #control: Server | undefined
  #locked = false
  #abort: AbortController | undefined
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  constructor(options: ClusterOptions = {}) {
    super()
    this.#settings = settle(options)
    this.#management = new Management(this.#settings)
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
    const { ports: plan } = this.#settings
    const edge = `http://${LOOPBACK}:${plan.edge}`
    return {
      amqp: [`amqp://${LOOPBACK}:${plan.amqp}`],
      nodes: NODE_NUMBERS.map((node) => `amqp://${LOOPBACK}:${ports.nodeAmqp(plan, node)}`),
      results: `redis://${LOOPBACK}:${ports.store(plan)}`,
      edge,
      management: {
        edge: `${edge}/rabbitmq`,
        nodes: NODE_NUMBERS.map((node) => this.#management.address(node)),
      },
      prometheus: this.#processes.some(({ name }) => name === 'prometheus') ? `${edge}/prometheus` : undefined,
    }
  }

  /** HAProxy's AMQP front for one of the users, password included; with `node`, that node past HAProxy. */
  brokerUrl(user: string, node?: number): string {
    const { ports: plan, passwords } = this.#settings
    const port = node === undefined ? plan.amqp : ports.nodeAmqp(plan, node)
    return `amqp://${user}:${encodeURIComponent(passwords[user] ?? '')}@${LOOPBACK}:${port}`
  }

  names(): string[] {
    return this.#all().map(({ name }) => name)
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
    // What start() awaits ends early, and start() then undoes itself: it alone knows how far it came.
    await this.#endWorkersAndServers()
    await starting.catch(() => {})
    await this.#tearDown()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  startProcess = (name: string): Promise<void> => this.#find(name).start()
  killProcess = (name: string): Promise<void> => this.#find(name).kill()
  restartProcess = (name: string): Promise<void> => this.#find(name).restart()
  stopProcess = async (name: string): Promise<void> => {
    await this.#find(name).stop()
  }
  freezeProcess = async (name: string): Promise<void> => this.#find(name).freeze()
  /** Resolves at once. A RabbitMQ node that does not find its way back to the others is restarted after a while. */
  thawProcess = async (name: string): Promise<void> => {
    const process = this.#find(name)
    process.thaw()
    if (process.status().kind === 'rabbitmq') void this.#bringBack(process).catch(() => {})
  }

  /** Runs `rabbitmqctl` against one node and gives what it prints. Slow: each call starts an Erlang machine. */
  async rabbitmqctl(node: number, args: readonly string[]): Promise<string> {
    if (this.#binaries === undefined) {
      throw new ClusterError('WRONG_STATE', `Cannot run rabbitmqctl: the cluster is ${this.#state}`)
    }
    return runTool(this.#settings, this.#binaries, 'rabbitmqctl', node, args)
  }

  /** Starts or drains workers until there are `workers` of them. No other process is touched. */
  async scale(workers: number): Promise<void> {
    if (this.#workers === undefined)
      throw new ClusterError('WRONG_STATE', `Cannot scale: the cluster is ${this.#state}`)
    await this.#workers.scale(workers)
  }

  async status(): Promise<ClusterStatus> {
    const signal = AbortSignal.timeout(STATUS_TIMEOUT_MS)
    const running = this.#state === 'running'
    const front = running
      ? await serverStates(this.#settings, signal).catch(() => new Map<string, string>())
      : new Map()
    const processes = await Promise.all(
      this.#all().map(async (process) => {
        const status = process.status()
        if (status.kind !== 'rabbitmq') return status
        const node = Number(status.name.slice(-1))
        const membership =
          status.state === 'running'
            ? await this.#management.membership(node, signal).catch(() => undefined)
            : undefined
        return {
          ...status,
          ...(membership ? { sees: membership.running } : {}),
          ...(front.has(status.name) ? { front: front.get(status.name) } : {}),
        }
      }),
    )
    return { dir: this.dir, pid: process.pid, state: this.#state, addresses: this.addresses, processes }
  }

  /** The fact that the nodes are one cluster, that nothing blocks publishers and that HAProxy uses all of them. */
  async whole(signal: AbortSignal): Promise<string | undefined> {
    return (await this.#management.formed(signal)) ?? (await allServersUp(this.#settings, signal))
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
    const parts = { prometheus: prometheusBinary !== undefined, console: this.#settings.console }
    await requireFree(neededPorts(plan, workers, parts))
    this.#dropUnformedData()
    signal.throwIfAborted()

    const mapper = this.#manage(epmd(this.#settings, binaries))
    const others = [
      ...NODE_NUMBERS.map((node) => rabbitmqNode(this.#settings, binaries, node, this.#management)),
      store(this.#settings, binaries),
      haproxy(this.#settings, binaries),
      ...(prometheusBinary ? [prometheus(this.#settings, prometheusBinary), storeExporter(this.#settings)] : []),
      ...(this.#settings.console ? [consoleProcess(this.#settings)] : []),
    ].map((definition) => this.#manage(definition))
    this.#workers = new WorkerPool(this.#settings, {
      onChange: (change) => this.#report(change),
      onScale: (numbers) => writeTargets(this.#settings, numbers),
    })
    writeTargets(this.#settings, [])
    if (this.#settings.prometheus && !prometheusBinary) say('prometheus: not installed, so there are no charts')

    await mapper.start()
    signal.throwIfAborted()
    await Promise.all(others.map((process) => this.#startOne(process, signal)))
    await this.#form(signal)
    say(`cluster: three nodes as one after ${seconds(startedAt)}`)

    await this.#workers.scale(workers)
    this.#control = await serveControl(this, folder.controlSocket)
    signal.throwIfAborted()
    say(`ready after ${seconds(startedAt)}`)
  }

  /**
   * Nodes with data start together, since each waits for the one that stopped last. Without data, nodes 2 and 3 start
   * once node 1 is ready: one that joins a node in the middle of its first boot finds tables half migrated, and ends.
   */
  async #startOne(process: ManagedProcess, signal: AbortSignal): Promise<void> {
    const isLaterNode = process.status().kind === 'rabbitmq' && process.name !== nodeName(1)
    if (isLaterNode && !existsSync(this.#settings.folder.formedMark)) await this.#find(nodeName(1)).start()
    signal.throwIfAborted()
    await process.start()
  }

  #manage(definition: ProcessDefinition): ManagedProcess {
    const process = new ManagedProcess(definition)
    process.on('state', (change) => this.#report(change))
    this.#processes.push(process)
    return process
  }

  /** A first start that was interrupted may leave a node as a cluster of its own, which could never join another. */
  #dropUnformedData(): void {
    const { folder } = this.#settings
    if (existsSync(folder.formedMark)) return
    for (const node of NODE_NUMBERS) rmSync(folder.of(nodeName(node), 'data'), { recursive: true, force: true })
  }

  async #form(signal: AbortSignal): Promise<void> {
    const wait = { timeoutMs: FORMED_TIMEOUT_MS, signal }
    await waitFor('three nodes as one cluster', (each) => this.#management.formed(each), wait)
    await this.#management.loadDefinitions(signal)
    await this.#fillQueues(signal)
    await waitFor('three nodes behind HAProxy', (each) => allServersUp(this.#settings, each), wait)
    writeFileSync(this.#settings.folder.formedMark, `${new Date().toISOString()}\n`)
  }

  /** A queue that was declared while a node was away has no member there, and RabbitMQ adds none by itself. */
  async #fillQueues(signal: AbortSignal): Promise<void> {
    const full = async (each: AbortSignal) => {
      const thin = await this.#management.thinQueues(each)
      return thin.length === 0 ? undefined : `fewer than three members: ${thin.join(', ')}`
    }
    const what = 'dead-letter queues with three members'
    await waitFor(what, full, { timeoutMs: 10_000, signal }).catch(async (problem) => {
      signal.throwIfAborted()
      if (this.#binaries === undefined) throw problem
      for (const node of NODE_NUMBERS) {
        this.emit('progress', `rabbitmq-${node}: adding members of dead-letter queues`)
        await runTool(this.#settings, this.#binaries, 'rabbitmq-queues', 1, [
          'grow',
          `rabbitmq-${node}@localhost`,
          'all',
        ])
      }
      await waitFor(what, full, { timeoutMs: 30_000, signal })
    })
  }

  /**
   * RabbitMQ's autoheal restarts a node that comes back after its peers gave it up, but now and then one stays stuck
   * half-way, with its listeners closed (once in six times on 3.10.8). It does not recover by itself.
   */
  async #bringBack(node: ManagedProcess): Promise<void> {
    const { since } = node.status()
    const untouched = () => node.state === 'running' && node.status().since === since
    const seen: Fact = async (signal) => {
      if (!untouched()) return undefined
      const others = NODE_NUMBERS.filter((each) => this.#find(nodeName(each)).state === 'running')
      const views = await Promise.all(others.map((each) => this.#management.membership(each, signal)))
      return views.every(({ running }) => running.includes(node.name)) ? undefined : `not all see ${node.name}`
    }
    const signal = this.#abort?.signal
    const options = { timeoutMs: REJOIN_TIMEOUT_MS, intervalMs: 500, ...(signal ? { signal } : {}) }
    await waitFor(`${node.name} back among its peers`, seen, options).catch(async (problem) => {
      signal?.throwIfAborted()
      if (!untouched()) return
      this.emit('progress', `${textOf(problem)}; restarting it`)
      await node.kill()
      await node.start()
    })
  }

  // ------------------------------------------------------------ stop

  /** One at a time: whoever comes second waits for the first. */
  #tearDown(): Promise<void> {
    this.#stopping ??= this.#undo().finally(() => {
      this.#stopping = undefined
    })
    return this.#stopping
  }

  async #undo(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#set('stopping')
    this.#control?.close()
    this.#control?.closeAllConnections()
    this.#control = undefined
    await this.#endWorkersAndServers()
    this.#processes = []
    this.#workers = undefined
    if (this.#locked) releaseLock(this.#settings.folder)
    this.#locked = false
    this.#set('stopped')
  }

  /** In the reverse order of their start, and safe to call twice. */
  async #endWorkersAndServers(): Promise<void> {
    const ofKind = (...kinds: string[]) => this.#processes.filter((each) => kinds.includes(each.status().kind))
    const end = (list: ManagedProcess[]) => Promise.all(list.map((each) => each.stop()))
    await Promise.all([this.#workers?.stop(), end(ofKind('console'))])
    await end(ofKind('prometheus', 'haproxy'))
    await end(ofKind('store', 'rabbitmq'))
    await end(ofKind('epmd'))
  }

  // ------------------------------------------------------------ parts

  #all(): ManagedProcess[] {
    return [...this.#processes, ...(this.#workers?.processes ?? [])]
  }

  #find(name: string): ManagedProcess {
    const found = this.#all().find((each) => each.name === name)
    if (found) return found
    const names = this.names()
    const known = names.length === 0 ? `the cluster is ${this.#state}` : `there are ${names.join(', ')}`
    throw new ClusterError('UNKNOWN_PROCESS', `No process is called ${name}${didYouMean(name, names)} (${known})`)
  }

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
