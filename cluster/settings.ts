/** What a cluster is made with, checked whole and at once, with the environment's and the built-in defaults filled in. */
import { join } from 'node:path'
import { didYouMean } from 'warren'
import { users } from '../demo/topology.js'
import { ClusterError } from './errors.js'
import { Folder, repositoryRoot } from './folder.js'
import { DEFAULT_AMQP_PORT, DEFAULT_EDGE_PORT, DEFAULT_PORT_BASE, MAX_WORKERS, type PortPlan } from './ports.js'

export interface ClusterOptions {
  /** The folder for everything the cluster writes. Default: `.warren`. */
  readonly dir?: string
  /** How many workers to start, 0 to {@link MAX_WORKERS}. Default: 5. */
  readonly workers?: number
  /** The first of the internal ports. Default: `WARREN_PORT_BASE`, or 26000. */
  readonly portBase?: number
  /** HAProxy's AMQP front. Default: `WARREN_AMQP_PORT`, or 5680. */
  readonly amqpPort?: number
  /** HAProxy's HTTP edge. Default: `WARREN_EDGE_PORT`, or 8000. */
  readonly edgePort?: number
  /** The environment that settings are read from and that workers get. Default: `process.env`. */
  readonly env?: NodeJS.ProcessEnv
  /** Whether to run Prometheus where it is installed. Default: true. */
  readonly prometheus?: boolean
  /** Whether to run the console behind the edge. Default: false. */
  readonly console?: boolean
  /** Whether the result store has a replica, and three Sentinels that put it in its primary's place. Default: false. */
  readonly storeReplica?: boolean
  /** What a worker runs. Default: the demo's worker, `node dist/demo/worker.js`. */
  readonly workerCommand?: readonly string[]
}

export const DEFAULT_DIR = '.warren'
export const DEFAULT_WORKERS = 5

export interface Settings {
  readonly folder: Folder
  readonly workers: number
  readonly ports: PortPlan
  readonly env: NodeJS.ProcessEnv
  readonly prometheus: boolean
  readonly console: boolean
  readonly storeReplica: boolean
  readonly workerCommand: readonly string[]
  /** By user name: admin, operator, service, client. */
  readonly passwords: Readonly<Record<string, string>>
}

const KNOWN = [
  ...['dir', 'workers', 'portBase', 'amqpPort', 'edgePort', 'env'],
  ...['prometheus', 'console', 'storeReplica', 'workerCommand'],
]

export function settle(options: ClusterOptions): Settings {
  const env = options.env ?? process.env
  const problems = Object.keys(options)
    .filter((key) => !KNOWN.includes(key))
    .map((key) => `unknown option \`${key}\`${didYouMean(key, KNOWN)}`)

  const integer = (name: string, value: unknown, min: number, max: number): number => {
    const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
    if (Number.isInteger(number) && (number as number) >= min && (number as number) <= max) return number as number
    problems.push(`expected \`${name}\` to be an integer from ${min} to ${max}, got: ${JSON.stringify(value)}`)
    return min
  }
  // An empty variable counts as one that is not set.
  const port = (option: 'portBase' | 'amqpPort' | 'edgePort', variable: string, fallback: number, max = 65_535) =>
    options[option] === undefined && env[variable]
      ? integer(variable, env[variable], 1024, max)
      : integer(option, options[option] ?? fallback, 1024, max)

  const settings: Settings = {
    folder: new Folder(options.dir ?? DEFAULT_DIR),
    workers: integer('workers', options.workers ?? DEFAULT_WORKERS, 0, MAX_WORKERS),
    ports: {
      base: port('portBase', 'WARREN_PORT_BASE', DEFAULT_PORT_BASE, 65_000),
      amqp: port('amqpPort', 'WARREN_AMQP_PORT', DEFAULT_AMQP_PORT),
      edge: port('edgePort', 'WARREN_EDGE_PORT', DEFAULT_EDGE_PORT),
    },
    env,
    prometheus: options.prometheus ?? true,
    console: options.console ?? false,
    storeReplica: options.storeReplica ?? false,
    workerCommand: options.workerCommand ?? [process.execPath, join(repositoryRoot(), 'dist', 'demo', 'worker.js')],
    passwords: Object.fromEntries(users(env).map(({ name, password }) => [name, password])),
  }
  if (settings.workerCommand.length === 0) problems.push('expected `workerCommand` to name a command')
  if (problems.length > 0) throw new ClusterError('INVALID_OPTIONS', `new Cluster(): ${problems.join('; ')}`)
  return settings
}
