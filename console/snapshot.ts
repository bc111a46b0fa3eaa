/** What the page shows at one moment. Pure: made from what RabbitMQ, the launcher and the workers said. */
import type { BrokerFacts, RawNode, RawStats } from './answers.js'
import type { LauncherStatus } from './launcher.js'
import { type ExchangeView, exchangeViews, type QueueView, queueViews } from './queueViews.js'
import { sum, wholeSum } from './sums.js'

/** `unknown`: nobody who could know has answered. */
export type NodeState = 'up' | 'down' | 'frozen' | 'starting' | 'stopping' | 'unknown'

export interface NodeView {
  readonly name: string
  readonly state: NodeState
  /** Why it is down, where that is known: `killed`, `stopped`, `exited with code 1`. */
  readonly why?: string
  /** Whether the console can stop and start it. */
  readonly controlled: boolean
  readonly memoryBytes?: number
  readonly memoryLimitBytes?: number
  readonly diskFreeBytes?: number
  readonly uptimeMs?: number
  readonly alarms: readonly string[]
  /** Nodes that it is cut off from. */
  readonly partitions: readonly string[]
  /** What HAProxy holds of it, as `UP` or `DOWN`. */
  readonly front?: string
}

export interface WorkerView {
  readonly name: string
  /** Of its process, where there is a launcher; else `connected`. */
  readonly state: string
  readonly controlled: boolean
  readonly ready?: boolean
  /** Handlers that run now, and messages that it holds unacknowledged. */
  readonly running?: number
  readonly held?: number
  /** Attempts that ended, a second. */
  readonly finished?: number
  readonly queues: readonly { readonly queue: string; readonly state: string; readonly reason?: string }[]
  readonly store?: string
  readonly since?: string
  readonly restarts?: number
  readonly detail?: string
  /** Where its connection comes from, and with which client library, where RabbitMQ says so. */
  readonly host?: string
  readonly client?: string
  /** It takes tasks, and is none of Warren's: a Celery worker, or another consumer. */
  readonly foreign?: true
}

export interface LatencyView {
  readonly task: string
  readonly count: number
  /** Milliseconds. */
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

export interface ServerView {
  readonly name: string
  readonly state: string
  readonly controlled: boolean
}

/** A second. What nobody says is left out. Looking at dead letters is no work, and not among them. */
export interface Rates {
  readonly published?: number
  readonly delivered?: number
  readonly acknowledged?: number
  readonly redelivered?: number
  readonly deadLettered?: number
  /** As the workers themselves count it. */
  readonly finished?: number
}

export interface Snapshot {
  readonly at: number
  /** Why RabbitMQ's part is missing, or no more than its names. */
  readonly problem?: string
  /** Why rates are missing, where the management API does not have them. */
  readonly metricsProblem?: string
  readonly cluster: string
  readonly version: string
  readonly nodes: readonly NodeView[]
  readonly exchanges: readonly ExchangeView[]
  readonly queues: readonly QueueView[]
  /** How many queues there are, when not all are shown. */
  readonly queuesInAll?: number
  readonly workers: readonly WorkerView[]
  /** Nobody has said yet which workers there are. */
  readonly workersUnknown?: true
  readonly proxy?: ServerView
  readonly store?: ServerView
  /** The servers of a store that has a replica. */
  readonly stores?: readonly ServerView[]
  readonly rates: Rates
  /** Messages in queues, without dead letters. */
  readonly ready?: number
  readonly unacknowledged?: number
  readonly latency: readonly LatencyView[]
}

export interface Sources {
  readonly at: number
  readonly broker: BrokerFacts | undefined
  readonly brokerProblem: string | undefined
  readonly launcher: LauncherStatus | undefined
  /** Undefined before the first answer. */
  readonly workers: readonly WorkerView[] | undefined
  readonly storeState: string | undefined
  readonly latency: readonly LatencyView[]
}

export function assemble(sources: Sources): Snapshot {
  const { at, broker, brokerProblem, launcher, workers, storeState, latency } = sources
  const short = nodeNamer([
    ...(broker?.nodes.map(({ name }) => name) ?? []),
    ...(broker?.queues.items.flatMap(({ leader, node, members = [] }) => [leader ?? node ?? '', ...members]) ?? []),
  ])
  // While RabbitMQ does not answer, its last answer still says what there is, and no more how it is.
  const silent = brokerProblem !== undefined
  const views = queueViews(broker, short)
  const queues = silent ? views.map(nameOf) : views
  const exchanges = exchangeViews(broker, views)
  const finished = workers?.map((worker) => worker.finished).filter((each) => each !== undefined) ?? []
  const [proxy] = serversOf(launcher, 'haproxy', false)
  const stores = serversOf(launcher, 'store', true)
  const store = stores.length > 1 || stores[0] === undefined ? storeAsSeen(storeState) : stores[0]
  return {
    at,
    ...(brokerProblem === undefined ? {} : { problem: brokerProblem }),
    ...(broker?.metricsProblem === undefined ? {} : { metricsProblem: broker.metricsProblem }),
    cluster: broker?.overview.cluster_name ?? '',
    version: broker?.overview.rabbitmq_version ?? '',
    nodes: nodeViews(broker, silent, launcher, short),
    exchanges: silent ? exchanges.map(({ published: _, ...rest }) => rest) : exchanges,
    queues,
    ...(broker && broker.queues.total_count > queues.length ? { queuesInAll: broker.queues.total_count } : {}),
    workers: workers ?? [],
    ...(workers === undefined ? { workersUnknown: true } : {}),
    ...(proxy ? { proxy } : {}),
    ...(store ? { store } : {}),
    ...(stores.length > 1 ? { stores } : {}),
    rates: {
      ...(silent ? {} : brokerRates(broker, queues)),
      ...(finished.length === 0 ? {} : { finished: sum(finished) }),
    },
    ...(silent ? {} : totals(broker, queues)),
    latency,
  }
}

const nameOf = ({
  name,
  vhost,
  type,
  role,
  leader,
  members,
  deadLetterExchange,
  task,
  service,
}: QueueView): QueueView => ({
  ...{ name, vhost, type, role, state: 'unknown' },
  ...(task === undefined || service === undefined ? {} : { task, service }),
  ...(leader === undefined ? {} : { leader }),
  ...(members === undefined ? {} : { members }),
  ...(deadLetterExchange === undefined ? {} : { deadLetterExchange }),
})

/**
 * RabbitMQ's rates of all queues, less those of dead letters: this page takes and returns them whenever somebody looks.
 * Of a broker that counts its queues, a rate that is missing is 0.
 */
function brokerRates(broker: BrokerFacts | undefined, queues: readonly QueueView[]): Rates {
  if (broker === undefined || totalsOf(broker).messages_ready === undefined) return {}
  const { message_stats: stats, disable_stats: off } = broker.overview
  if (off === true && stats === undefined) return {}
  const rate = (name: 'publish' | 'deliver_get' | 'ack' | 'redeliver') =>
    stats?.[`${name}_details` satisfies keyof RawStats]?.rate ?? 0
  const dead = queues.filter(({ role }) => role === 'deadLetters')
  const deadLettered = wholeSum(dead.map(({ published }) => published))
  return {
    published: rate('publish'),
    delivered: less(dead, rate('deliver_get'), ({ delivered }) => delivered),
    acknowledged: less(dead, rate('ack'), ({ acknowledged }) => acknowledged),
    redelivered: less(dead, rate('redeliver'), ({ redelivered }) => redelivered),
    ...(deadLettered === undefined ? {} : { deadLettered }),
  }
}

const less = (dead: readonly QueueView[], all: number, of: (queue: QueueView) => number | undefined): number =>
  Math.max(0, all - sum(dead.map((queue) => of(queue) ?? 0)))

const totalsOf = (broker: BrokerFacts) => broker.overview.queue_totals ?? {}

function totals(
  broker: BrokerFacts | undefined,
  queues: readonly QueueView[],
): Pick<Snapshot, 'ready' | 'unacknowledged'> {
  const { messages_ready: ready, messages_unacknowledged: held } = broker === undefined ? {} : totalsOf(broker)
  const dead = queues.filter(({ role }) => role === 'deadLetters')
  return {
    ...(ready === undefined ? {} : { ready: less(dead, ready, (queue) => queue.ready) }),
    ...(held === undefined ? {} : { unacknowledged: less(dead, held, (queue) => queue.unacknowledged) }),
  }
}

/** `rabbitmq-1` of `rabbitmq-1@localhost`, unless that would make two nodes one. */
export function nodeNamer(names: readonly string[]): (name: string) => string {
  const whole = new Set(names.filter((name) => name !== ''))
  const before = (name: string) => name.split('@', 1)[0] ?? name
  const distinct = new Set([...whole].map(before)).size === whole.size
  return distinct ? before : (name) => name
}

function nodeViews(
  broker: BrokerFacts | undefined,
  silent: boolean,
  launcher: LauncherStatus | undefined,
  short: (name: string) => string,
): NodeView[] {
  const processes = new Map(
    (launcher?.processes ?? []).filter(({ kind }) => kind === 'rabbitmq').map((process) => [process.name, process]),
  )
  const raw = new Map((broker?.nodes ?? []).map((node) => [short(node.name), node]))
  const names = [...new Set([...raw.keys(), ...processes.keys()])].sort()
  return names.map((name) => {
    const node = raw.get(name)
    const process = processes.get(name)
    const state = nodeState(silent ? undefined : node, process?.state)
    const why = state === 'down' ? whyDown(process?.detail) : undefined
    const facts = state === 'up' ? node : undefined
    return {
      name,
      state,
      ...(why === undefined ? {} : { why }),
      controlled: process !== undefined,
      ...(facts?.mem_used === undefined ? {} : { memoryBytes: facts.mem_used }),
      ...(facts?.mem_limit === undefined ? {} : { memoryLimitBytes: facts.mem_limit }),
      ...(facts?.disk_free === undefined ? {} : { diskFreeBytes: facts.disk_free }),
      ...(facts?.uptime === undefined ? {} : { uptimeMs: facts.uptime }),
      alarms: [...(facts?.mem_alarm ? ['memory'] : []), ...(facts?.disk_free_alarm ? ['disk'] : [])],
      partitions: (facts?.partitions ?? []).map(short),
      ...(process?.front === undefined ? {} : { front: process.front }),
    }
  })
}

/** The launcher knows at once what became of a process; whether a node is a part of the cluster, RabbitMQ knows. */
function nodeState(node: RawNode | undefined, process: string | undefined): NodeState {
  switch (process) {
    case 'stopped':
    case 'exited':
    case 'restarting':
      return 'down'
    case 'frozen':
    case 'starting':
    case 'stopping':
      return process
    default:
      if (node?.running === undefined) return 'unknown'
      return node.running ? 'up' : process === undefined ? 'down' : 'starting'
  }
}

function whyDown(detail: string | undefined): string | undefined {
  const [line] = (detail ?? '').split('\n', 1)
  if (!line) return undefined
  if (line.includes('SIGKILL')) return 'killed'
  if (line === 'exited with code 0' || line.includes('SIGTERM')) return 'stopped'
  return line
}

const serversOf = (launcher: LauncherStatus | undefined, kind: string, controlled: boolean): ServerView[] =>
  (launcher?.processes ?? [])
    .filter((process) => process.kind === kind)
    .map(({ name, state }) => ({ name, state, controlled }))

/** The store by the console's own connection: of several servers, whichever is the primary answers it. */
const storeAsSeen = (state: string | undefined): ServerView | undefined =>
  state === undefined ? undefined : { name: 'result store', state, controlled: false }
