/**
 * Which port is whose. All internal ports derive from one base, so that several clusters run beside each other by
 * choosing another base; the two that people type have settings of their own.
 */
import { createServer } from 'node:net'
import { ClusterError } from './errors.js'

export const LOOPBACK = '127.0.0.1'
export const NODE_NUMBERS = [1, 2, 3] as const
export const SENTINEL_NUMBERS = [1, 2, 3] as const

export const DEFAULT_PORT_BASE = 26_000
export const DEFAULT_AMQP_PORT = 5_680
export const DEFAULT_EDGE_PORT = 8_000

/** Workers take the rest of the block, one port each. */
export const MAX_WORKERS = 149
const BLOCK = 200

export interface PortPlan {
  readonly base: number
  /** HAProxy's AMQP front. */
  readonly amqp: number
  /** HAProxy's HTTP edge. */
  readonly edge: number
}

export const ports = {
  epmd: ({ base }: PortPlan) => base,
  nodeAmqp: ({ base }: PortPlan, node: number) => base + node,
  nodeDistribution: ({ base }: PortPlan, node: number) => base + 10 + node,
  /** Where RabbitMQ's command-line tools listen while they run. */
  toolsDistribution: ({ base }: PortPlan) => ({ min: base + 14, max: base + 19 }),
  nodeManagement: ({ base }: PortPlan, node: number) => base + 20 + node,
  nodeMetrics: ({ base }: PortPlan, node: number) => base + 30 + node,
  store: ({ base }: PortPlan) => base + 40,
  prometheus: ({ base }: PortPlan) => base + 41,
  /** The edge passes `/` on to it. */
  console: ({ base }: PortPlan) => base + 42,
  grafana: ({ base }: PortPlan) => base + 43,
  storeMetrics: ({ base }: PortPlan) => base + 44,
  storeReplica: ({ base }: PortPlan) => base + 45,
  sentinel: ({ base }: PortPlan, sentinel: number) => base + 45 + sentinel,
  worker: ({ base }: PortPlan, worker: number) => base + 50 + worker,
} as const

export interface NeededPort {
  readonly port: number
  /** What it is for, and the setting that moves it. */
  readonly purpose: string
  readonly setting: string
}

/** Every port that a cluster with `workers` workers and these parts listens on. */
export function neededPorts(
  plan: PortPlan,
  workers: number,
  parts: { readonly prometheus: boolean; readonly console: boolean; readonly storeReplica: boolean },
): NeededPort[] {
  const inner = (port: number, purpose: string): NeededPort => ({ port, purpose, setting: 'WARREN_PORT_BASE' })
  return [
    { port: plan.amqp, purpose: "HAProxy's AMQP front", setting: 'WARREN_AMQP_PORT' },
    { port: plan.edge, purpose: "HAProxy's HTTP edge", setting: 'WARREN_EDGE_PORT' },
    inner(ports.epmd(plan), "Erlang's port mapper"),
    ...NODE_NUMBERS.flatMap((node) => [
      inner(ports.nodeAmqp(plan, node), `AMQP of rabbitmq-${node}`),
      inner(ports.nodeDistribution(plan, node), `Erlang distribution of rabbitmq-${node}`),
      inner(ports.nodeManagement(plan, node), `management of rabbitmq-${node}`),
      inner(ports.nodeMetrics(plan, node), `metrics of rabbitmq-${node}`),
    ]),
    inner(ports.store(plan), 'the result store'),
    ...(parts.storeReplica
      ? [
          inner(ports.storeReplica(plan), "the result store's replica"),
          ...SENTINEL_NUMBERS.map((sentinel) => inner(ports.sentinel(plan, sentinel), `sentinel-${sentinel}`)),
        ]
      : []),
    ...(parts.console ? [inner(ports.console(plan), 'the console')] : []),
    ...(parts.prometheus
      ? [
          inner(ports.prometheus(plan), 'Prometheus'),
          inner(ports.storeMetrics(plan), "the store's figures for Prometheus"),
        ]
      : []),
    ...Array.from({ length: workers }, (_, index) =>
      inner(ports.worker(plan, index + 1), `HTTP of worker-${index + 1}`),
    ),
  ]
}

/** Whether nobody listens on `port` of the loopback interface, tried by listening on it. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** Rejects with one error that names every taken port, what it is for and the setting that moves it. */
export async function requireFree(needed: readonly NeededPort[]): Promise<void> {
  const free = await Promise.all(needed.map(({ port }) => isFree(port)))
  const taken = needed.filter((_, index) => !free[index])
  if (taken.length === 0) return
  const list = taken.map(({ port, purpose, setting }) => `${port} (${purpose}; ${setting} moves it)`).join(', ')
  throw new ClusterError(
    'PORT_TAKEN',
    `Another process listens on ${taken.length === 1 ? 'port' : 'ports'} ${list}. End it, or set another value.`,
  )
}

/**
 * A block of ports for one more cluster beside others: for tests and drills. Processes that pick at the same time
 * start at different places, by their pid.
 */
export async function freePortBlock(): Promise<PortPlan> {
  const first = 10_000
  const blocks = 60
  for (let step = 0; step < blocks; step++) {
    const base = first + ((process.pid + step) % blocks) * BLOCK * 1.25
    const plan = { base, amqp: base + BLOCK, edge: base + BLOCK + 1 }
    const free = await Promise.all(
      neededPorts(plan, 20, { prometheus: true, console: true, storeReplica: true }).map(({ port }) => isFree(port)),
    )
    if (!free.includes(false)) return plan
  }
  throw new ClusterError('PORT_TAKEN', `No free block of ports between ${first} and ${first + blocks * BLOCK * 1.25}`)
}
