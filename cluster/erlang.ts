/** The environment of all Erlang processes: RabbitMQ's nodes and its command-line tools. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Binaries } from './binaries.js'
import { ClusterError } from './errors.js'
import { LOOPBACK, ports } from './ports.js'
import type { Settings } from './settings.js'

export const erlangNode = (node: number): string => `rabbitmq-${node}@localhost`

/**
 * Nothing of the caller's environment but PATH comes in: a RABBITMQ_ or ERL_ variable meant for the system's server
 * would change ours.
 */
export function erlangEnv({ folder, ports: plan }: Settings): NodeJS.ProcessEnv {
  const tools = ports.toolsDistribution(plan)
  return {
    PATH: `${process.env.PATH ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin`,
    HOME: folder.erlangHome,
    LANG: 'C.UTF-8',
    LC_ALL: 'C.UTF-8',
    ERL_INETRC: folder.erlangLookup,
    ERL_EPMD_PORT: String(ports.epmd(plan)),
    ERL_EPMD_ADDRESS: LOOPBACK,
    // RabbitMQ starts an epmd in the background when it finds none, by way of an Erlang machine that reads this.
    ERL_FLAGS: '-start_epmd false',
    // No crash dumps: writing one takes seconds, and the log has the reason.
    ERL_CRASH_DUMP_SECONDS: '0',
    // The file does not exist: without this the system's /etc/rabbitmq/rabbitmq-env.conf is read.
    RABBITMQ_CONF_ENV_FILE: join(folder.path, 'no-rabbitmq-env.conf'),
    RABBITMQ_CTL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_CTL_DIST_PORT_MIN: String(tools.min),
    RABBITMQ_CTL_DIST_PORT_MAX: String(tools.max),
  }
}

/** Runs one of RabbitMQ's command-line tools against a node. Slow: each call starts an Erlang machine. */
export async function runTool(
  settings: Settings,
  binaries: Binaries,
  tool: 'rabbitmqctl' | 'rabbitmq-queues' | 'rabbitmq-diagnostics',
  node: number,
  args: readonly string[],
): Promise<string> {
  const command = join(binaries.rabbitmqTools, tool)
  try {
    const { stdout } = await promisify(execFile)(command, ['--node', erlangNode(node), ...args], {
      env: erlangEnv(settings),
      timeout: 60_000,
    })
    return stdout
  } catch (cause) {
    throw new ClusterError('CONTROL_FAILED', `${tool} ${args.join(' ')} on rabbitmq-${node} failed: ${cause}`, {
      cause,
    })
  }
}
