/**
 * Looks at the cluster again and again, and tells what it sees. It owns the polling, the last snapshot, the feed of
 * happenings and the numbers behind the charts; all of it is bounded. It changes nothing.
 *
 * Somebody watches: a look each second, workers included; each two where a launcher tells of its processes at once, since
 * RabbitMQ counts each five anyway. Nobody watches: each five, RabbitMQ and the launcher alone, so that the feed has no holes.
 */
import { EventEmitter } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { textOf } from 'warren'
import type { BrokerFacts, RawBinding, RawConnection, RawExchange } from './answers.js'
import type { BusyTaskView } from './busyTasks.js'
import { compare, type Happening, moveSentence, moves, type Place, remember, type Said } from './happenings.js'
import { History, type Row } from './history.js'
import type { Launcher, LauncherChange, LauncherProcess, LauncherStatus } from './launcher.js'
import type { NodeMetrics } from './nodeMetrics.js'
import { ProcessNames } from './processNames.js'
import { type Age, QueueAges } from './queueAge.js'
import { QueueTrends } from './queueTrends.js'
import { isDelay } from './queueViews.js'
import { PAGE, type RabbitmqApi } from './rabbitmq.js'
import { assemble, nodeNamer, type Snapshot, type WorkerView } from './snapshot.js'
import { WorkerWatch, workersOf } from './workerWatch.js'

/** A snapshot with what only its history can tell. */
export type Moment = Snapshot & {
  readonly ages: Readonly<Record<string, Age>>
  /** Where the local cluster serves its other pages. */
  readonly addresses?: LauncherStatus['addresses']
  /** Not all exchanges and bindings are known: one that is not listed may be there all the same. */
  readonly exchangesUnknown?: true
  /** Undefined where no worker says what it does. */
  readonly busy?: readonly BusyTaskView[]
}

const WATCHED_MS = 1_000
const WATCHED_WITH_LAUNCHER_MS = 2_000
const UNWATCHED_MS = 5_000
/** More than these cost RabbitMQ too much to be counted each second; it has new figures each five in any case. */
const MANY_QUEUES = 300
/** What changes seldom, or costs more, is asked every so many looks. */
const LAUNCHER_EVERY = 3
const EXCHANGES_EVERY = 2
const BINDINGS_EVERY = 10
/** One failure may be a busy machine; RabbitMQ is gone when the second look fails too. */
const FAILURES = 2
const MAX_HAPPENINGS = 300
const FOLLOW_MS = 20_000
const FOLLOW_STEP_MS = 100

export class Observer extends EventEmitter<{ moment: [Moment]; happening: [Happening]; row: [Row] }> {
  readonly api: RabbitmqApi
  readonly #metrics: NodeMetrics
  readonly #launcher: Launcher | undefined
  readonly #storeState: () => string | undefined
  readonly #workers = new WorkerWatch()
  readonly #ages = new QueueAges()
  readonly trends = new QueueTrends()
  readonly names = new ProcessNames()
  readonly #history = new History()
  readonly #happenings: Happening[] = []
  readonly #abort = new AbortController()
  #wake = new AbortController()
  #watchers = 0
  #looks = 0
  #failures = 0
  #problem: string | undefined
  #broker: BrokerFacts | undefined
  #exchanges: readonly RawExchange[] = []
  #bindings: readonly RawBinding[] = []
  #exchangesRead = false
  #bindingsRead = false
  #status: LauncherStatus | undefined
  #statusIsOld = true
  /** How many changes the launcher told of. */
  #changes = 0
  /** Workers by their connections; undefined before the first look at them. */
  #connected: readonly WorkerView[] | undefined
  /** As RabbitMQ had them last. */
  connections: readonly RawConnection[] = []
  #moment: Moment | undefined
  /** What the next snapshot is compared with; none while the cluster is being started or stopped. */
  #baseline: Snapshot | undefined
  /** Nodes that went down, while the new leaders of their queues are being awaited. */
  readonly #following = new Set<string>()
  #lastId = 0

  constructor(dependencies: {
    readonly api: RabbitmqApi
    readonly metrics: NodeMetrics
    readonly launcher: Launcher | undefined
    /** As the connection to the store has it; undefined without a store. */
    readonly storeState: () => string | undefined
  }) {
    super()
    this.setMaxListeners(0)
    this.api = dependencies.api
    this.#metrics = dependencies.metrics
    this.#launcher = dependencies.launcher
    this.#storeState = dependencies.storeState
  }

  get moment(): Moment | undefined {
    return this.#moment
  }
  get happenings(): readonly Happening[] {
    return this.#happenings
  }
  get rows(): readonly Row[] {
    return this.#history.rows
  }

  start(): void {
    this.#launcher?.follow((change) => this.#changed(change))
    void this.#run()
  }

  stop(): void {
    this.#abort.abort()
    this.#wake.abort()
    this.#launcher?.close()
  }

  /** Somebody looks on until the function that it gives is called. */
  watch(): () => void {
    if (this.#watchers++ === 0) this.look()
    let over = false
    return () => {
      if (!over) this.#watchers--
      over = true
    }
  }

  /** Looks now rather than at the next turn. */
  look(): void {
    this.#statusIsOld = true
    this.#wake.abort()
  }

  /** Puts a sentence of somebody else's into the feed. */
  tell({ tone, text }: Said, at = Date.now()): void {
    const happening = { id: ++this.#lastId, at, tone, text }
    this.#happenings.push(happening)
    if (this.#happenings.length > MAX_HAPPENINGS) this.#happenings.shift()
    this.emit('happening', happening)
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      this.#wake = new AbortController()
      await this.#look().catch((error) => {
        this.#problem = textOf(error)
      })
      const many = (this.#broker?.queues.total_count ?? 0) > MANY_QUEUES
      const watched = many ? UNWATCHED_MS : this.#launcher === undefined ? WATCHED_MS : WATCHED_WITH_LAUNCHER_MS
      const pause = AbortSignal.any([signal, this.#wake.signal])
      await delay(this.#watchers > 0 ? watched : UNWATCHED_MS, undefined, { signal: pause, ref: false }).catch(
        () => undefined,
      )
    }
  }

  async #look(): Promise<void> {
    const look = this.#looks++
    await Promise.all([
      this.#lookAtBroker(look),
      this.#statusIsOld || look % LAUNCHER_EVERY === 0 ? this.#lookAtLauncher() : undefined,
    ])
    if (this.#watchers > 0) await this.#lookAtWorkers(look)
    if (!this.#abort.signal.aborted) this.#publish()
  }

  async #lookAtBroker(look: number): Promise<void> {
    try {
      // Exchanges and bindings change seldom: where they cannot be had, the last ones do.
      const [overview, nodes, queues, exchanges] = await Promise.all([
        this.api.overview(),
        this.api.nodes(),
        this.api.queues(),
        look % EXCHANGES_EVERY === 0 || this.#exchanges.length === 0
          ? this.api.exchanges().catch(() => undefined)
          : undefined,
      ])
      this.#exchanges = exchanges ?? this.#exchanges
      // A whole page may not be all.
      if (exchanges !== undefined) this.#exchangesRead = exchanges.length < PAGE
      if (look % BINDINGS_EVERY === 0 || queues.total_count !== this.#broker?.queues.total_count) {
        const bindings = await this.api.bindings().catch(() => undefined)
        this.#bindings = bindings ?? this.#bindings
        this.#bindingsRead ||= bindings !== undefined
      }
      const facts = { overview, nodes, queues, exchanges: this.#exchanges, bindings: this.#bindings }
      this.#broker = overview.disable_stats === true ? await this.#metrics.complete(facts) : facts
      this.#failures = 0
      this.#problem = undefined
    } catch (error) {
      this.#failures++
      if (this.#failures >= FAILURES) this.#problem = textOf(error)
    }
  }

  async #lookAtLauncher(): Promise<void> {
    if (this.#launcher === undefined) return
    this.#statusIsOld = false
    const changes = this.#changes
    const status = await this.#launcher.status().catch(() => undefined)
    this.names.learn(status?.processes ?? [])
    // What changed while it was asked is newer than its answer.
    if (changes === this.#changes) this.#status = status
    else this.#statusIsOld = true
  }

  async #lookAtWorkers(look: number): Promise<void> {
    if (this.#status !== undefined) await this.#workers.look(this.#status.processes)
    // Beside the launcher's, workers of other services come and go seldom.
    if (this.#launcher !== undefined && this.#connected !== undefined && look % LAUNCHER_EVERY !== 0) return
    const found = await Promise.all([this.api.consumers(), this.api.connections()]).catch(() => undefined)
    if (found === undefined) return
    const queues = this.#moment?.queues ?? []
    const named = (wanted: string) => new Set(queues.filter(({ role }) => role === wanted).map(({ name }) => name))
    this.connections = found[1]
    this.#connected = workersOf(...found, named('deadLetters'), named('task'))
  }

  /** The launcher's, and those of other services; undefined before either has said anything. */
  #workerViews(): readonly WorkerView[] | undefined {
    if (this.#status === undefined) return this.#launcher === undefined ? this.#connected : undefined
    const own = this.#workers.views(this.#status.processes)
    const names = new Set(own.map(({ name }) => name))
    // The launcher's workers give their connections their own names; of several of one name, the address follows.
    const isOwn = (name: string) => names.has(name) || names.has(name.split(' ', 1)[0] ?? '')
    return [...own, ...(this.#connected ?? []).filter(({ name }) => !isOwn(name))]
  }

  /** The launcher says that a process is in another state: told at once, from what is known of the rest. */
  #changed({ name, kind, state, detail, at }: LauncherChange): void {
    this.#changes++
    const known = this.#status?.processes.find((each) => each.name === name)
    if (this.#status === undefined || known === undefined) {
      this.look()
      return
    }
    const { detail: _old, ...rest } = known
    const changed: LauncherProcess = {
      ...rest,
      state,
      since: new Date(at).toISOString(),
      ...(detail === undefined ? {} : { detail }),
    }
    const processes = this.#status.processes.map((each) => (each === known ? changed : each))
    this.#status = { ...this.#status, processes }
    if (kind === 'rabbitmq' && known.state === 'running' && state !== 'running') void this.#followLeaders(name, at)
    this.#publish()
    this.look()
  }

  /** Nobody promised what shape the answers have: one that makes no sense must not end the console. */
  #publish(): void {
    try {
      this.#tellMoment()
    } catch (error) {
      this.#problem = textOf(error)
    }
  }

  #tellMoment(): void {
    const at = Date.now()
    const snapshot = assemble({
      at,
      broker: this.#broker,
      brokerProblem: this.#problem,
      launcher: this.#status,
      workers: this.#workerViews(),
      storeState: this.#storeState(),
      latency: this.#workers.latency(at),
    })
    const before = this.#baseline
    const settled = this.#launcher === undefined || this.#status?.state === 'running'
    if (before !== undefined && settled) {
      for (const said of compare(before, snapshot)) this.tell(said, at)
      for (const move of moves(before.queues, snapshot.queues)) {
        if (!this.#following.has(move.from)) this.tell(moveSentence(move), at)
      }
      for (const node of snapshot.nodes) {
        const old = before.nodes.find(({ name }) => name === node.name)
        if (this.#launcher === undefined && old?.state === 'up' && node.state === 'down') {
          void this.#followLeaders(node.name, undefined)
        }
      }
    }
    this.trends.look(at, snapshot.queues)
    const busy = this.#workers.busy(at)
    const moment: Moment = {
      ...snapshot,
      ages: this.#ages.look(at, snapshot.queues),
      ...(busy === undefined ? {} : { busy }),
      ...(this.#exchangesRead && this.#bindingsRead ? {} : { exchangesUnknown: true }),
      ...(this.#status === undefined ? {} : { addresses: this.#status.addresses }),
    }
    this.#moment = moment
    this.#baseline = settled && this.#broker !== undefined ? remember(before, snapshot) : undefined
    this.emit('moment', moment)
    const row = this.#history.add(snapshot)
    if (row !== undefined) this.emit('row', row)
  }

  /**
   * Looks closely for the new leaders of a node's quorum queues. `since`: when it went down, where that is known to the
   * millisecond; the time it took is told only then.
   */
  async #followLeaders(node: string, since: number | undefined): Promise<void> {
    const awaited = (this.#moment?.queues ?? []).filter(
      ({ name, type, leader }) => type === 'quorum' && leader === node && !isDelay(name),
    )
    if (awaited.length === 0 || this.#following.has(node)) return
    this.#following.add(node)
    const told = new Set<string>()
    const until = Date.now() + FOLLOW_MS
    while (!this.#abort.signal.aborted && told.size < awaited.length && Date.now() < until) {
      const places = await this.#places().catch(() => awaited)
      for (const move of moves(awaited, places)) {
        if (told.has(move.queue)) continue
        told.add(move.queue)
        this.tell(moveSentence(move, since === undefined ? undefined : Date.now() - since))
      }
      await delay(FOLLOW_STEP_MS, undefined, { ref: false })
    }
    // The next snapshot has the new leaders, too, and must not tell of them once more.
    await delay(2 * WATCHED_WITH_LAUNCHER_MS, undefined, { ref: false })
    this.#following.delete(node)
  }

  /** Where queues are at this moment. */
  async #places(): Promise<Place[]> {
    const { items } = await this.api.places()
    const short = nodeNamer(items.map(({ leader, node }) => leader ?? node ?? ''))
    return items.map(({ name, vhost, type = 'classic', leader, node }) => {
      const where = leader ?? node
      return { name, vhost, type, ...(where ? { leader: short(where) } : {}) }
    })
  }
}
