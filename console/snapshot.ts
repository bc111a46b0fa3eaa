/** What the page shows at one moment. Pure: made from what RabbitMQ, the launcher and the workers said. */
import type { LauncherStatus } from './launcher.js'
import { type ExchangeView, exchangeViews, type QueueView, queueViews } from './queueViews.js'
import type { BrokerFacts, RawNode } from './rabbitmq.js'

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

export interface Rates {
  readonly published: number
  readonly confirmed: number
  readonly delivered: number
  readonly acknowledged: number
  readonly redelivered: number
  readonly deadLettered: number
  /** As the workers themselves count it; undefined when none can be asked. */
  readonly finished?: number
}

export interface Snapshot {
  readonly at: number
  /** Why RabbitMQ's part is missing or old. */
  readonly problem?: string
  readonly cluster: string
  readonly version: string
  readonly nodes: readonly NodeView[]
  readonly exchanges: readonly ExchangeView[]
  readonly queues: readonly QueueView[]
  /** How many queues there are, when not all are shown. */
  readonly queuesInAll?: number
  readonly workers: readonly WorkerView[]
  readonly proxy?: ServerView
  readonly store?: ServerView
  readonly rates: Rates
  readonly ready: number
  readonly unacknowledged: number
  readonly connections: number
  readonly latency: readonly LatencyView[]
}

export interface Sources {
  readonly at: number
  readonly broker: BrokerFacts | undefined
  readonly brokerProblem: string | undefined
  readonly launcher: LauncherStatus | undefined
  readonly workers: readonly WorkerView[]
  readonly storeState: string | undefined
  readonly latency: readonly LatencyView[]
}

export function assemble(sources: Sources): Snapshot {
  const { at, broker, brokerProblem, launcher, workers, storeState, latency } = sources
  const short = nodeNamer([
    ...(broker?.nodes.map(({ name }) => name) ?? []),
    ...(broker?.queues.items.flatMap(({ leader, node, members = [] }) => [leader ?? node ?? '', ...members]) ?? []),
  ])
  const queues = queueViews(broker, short)
  const exchanges = exchangeViews(broker, queues)
  const stats = broker?.overview.message_stats
  const finished = workers.map((worker) => worker.finished).filter((each) => each !== undefined)
  const proxy = serverOf(launcher, 'haproxy', false)
  const store =
    serverOf(launcher, 'store', true) ??
    (storeState === undefined ? undefined : { name: 'result store', state: storeState, controlled: false })
  return {
    at,
    ...(brokerProblem === undefined ? {} : { problem: brokerProblem }),
    cluster: broker?.overview.cluster_name ?? '',
    version: broker?.overview.rabbitmq_version ?? '',
    nodes: nodeViews(broker, launcher, short),
    exchanges,
    queues,
    ...(broker && broker.queues.total_count > queues.length ? { queuesInAll: broker.queues.total_count } : {}),
    workers,
    ...(proxy ? { proxy } : {}),
    ...(store ? { store } : {}),
    rates: {
      published: stats?.publish_details?.rate ?? 0,
      confirmed: stats?.confirm_details?.rate ?? 0,
      delivered: stats?.deliver_get_details?.rate ?? 0,
      acknowledged: stats?.ack_details?.rate ?? 0,
      redelivered: stats?.redeliver_details?.rate ?? 0,
      deadLettered: sum(queues.filter(({ role }) => role === 'deadLetters').map(({ published }) => published)),
      ...(finished.length === 0 ? {} : { finished: sum(finished) }),
    },
    ready: broker?.overview.queue_totals?.messages_ready ?? 0,
    unacknowledged: broker?.overview.queue_totals?.messages_unacknowledged ?? 0,
    connections: broker?.overview.object_totals?.connections ?? 0,
    latency,
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0)

/** `rabbitmq-1` of `rabbitmq-1@localhost`, unless that would make two nodes one. */
export function nodeNamer(names: readonly string[]): (name: string) => string {
  const whole = new Set(names.filter((name) => name !== ''))
  const before = (name: string) => name.split('@', 1)[0] ?? name
  const distinct = new Set([...whole].map(before)).size === whole.size
  return distinct ? before : (name) => name
}

function nodeViews(
  broker: BrokerFacts | undefined,
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
    const state = nodeState(node, process?.state)
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
      if (node === undefined) return 'unknown'
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

function serverOf(launcher: LauncherStatus | undefined, kind: string, controlled: boolean): ServerView | undefined {
  const process = launcher?.processes.find((each) => each.kind === kind)
  return process && { name: process.name, state: process.state, controlled }
}
