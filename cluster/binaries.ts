/** Where the servers' binaries are. A missing one is an error that names its remedy. */
import { accessSync, constants, readdirSync, realpathSync, statSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { ClusterError } from './errors.js'

export interface Binaries {
  readonly rabbitmqServer: string
  /** Folder with `rabbitmqctl` and `rabbitmq-queues`. */
  readonly rabbitmqTools: string
  /** RabbitMQ's folder of plugins, where it was found. */
  readonly rabbitmqPlugins: string | undefined
  /** As `[3, 10]`. */
  readonly rabbitmqVersion: readonly [major: number, minor: number]
  readonly epmd: string
  readonly haproxy: string
  readonly store: string
  readonly prometheus: string | undefined
}

/** Debian keeps servers in sbin, which is not on a normal user's PATH. */
const EXTRA_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

export function findExecutable(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const folders = [...(env.PATH ?? '').split(delimiter).filter((each) => each !== ''), ...EXTRA_FOLDERS]
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

/**
 * Debian's /usr/sbin/rabbitmq-server runs `su rabbitmq` and reads the system's settings; the script behind it does
 * neither. `WARREN_RABBITMQ_HOME` names another installation: the folder that holds `sbin` or `bin`.
 */
function findRabbitmq(env: NodeJS.ProcessEnv): string | undefined {
  const homes = env.WARREN_RABBITMQ_HOME ? [env.WARREN_RABBITMQ_HOME] : ['/usr/lib/rabbitmq', '/opt/rabbitmq']
  return homes
    .flatMap((home) => [home, join(home, 'sbin'), join(home, 'bin')])
    .map((folder) => join(folder, 'rabbitmq-server'))
    .find(isExecutable)
}

/** The folder with all plugins, RabbitMQ itself among them: beside the scripts, or in Debian's layout below `lib`. */
function pluginFolder(server: string): string | undefined {
  const home = dirname(dirname(realpathSync(server)))
  const versioned = listed(join(home, 'lib'))
    .filter((name) => name.startsWith('rabbitmq_server-'))
    .map((name) => join(home, 'lib', name, 'plugins'))
  return [join(home, 'plugins'), ...versioned].find((folder) =>
    listed(folder).some((name) => name.startsWith('rabbit-')),
  )
}

/** RabbitMQ's version, from its folder's name: asking the server would cost an Erlang start. */
function versionIn(plugins: string | undefined): [number, number] {
  const match = listed(plugins ?? '')
    .map((name) => /^rabbit-(\d+)\.(\d+)\./.exec(name))
    .find((each) => each !== null)
  return match ? [Number(match[1]), Number(match[2])] : [4, 0]
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Finds everything at once; what is missing is named in one error. Prometheus is optional. */
export function findBinaries(env: NodeJS.ProcessEnv): Binaries {
  const rabbitmqServer = findRabbitmq(env)
  const epmd = findExecutable('epmd', env)
  const haproxy = findExecutable('haproxy', env)
  const store = findExecutable('valkey-server', env) ?? findExecutable('redis-server', env)
  if (rabbitmqServer && epmd && haproxy && store) {
    const rabbitmqPlugins = pluginFolder(rabbitmqServer)
    return {
      rabbitmqServer,
      rabbitmqPlugins,
      rabbitmqTools: dirname(rabbitmqServer),
      rabbitmqVersion: versionIn(rabbitmqPlugins),
      epmd,
      haproxy,
      store,
      prometheus: findExecutable('prometheus', env),
    }
  }
  const missing = [
    ...(rabbitmqServer && epmd
      ? []
      : [
          {
            what: env.WARREN_RABBITMQ_HOME ? `RabbitMQ in ${env.WARREN_RABBITMQ_HOME}` : 'RabbitMQ',
            debian: 'rabbitmq-server',
          },
        ]),
    ...(haproxy ? [] : [{ what: 'HAProxy', debian: 'haproxy' }]),
    ...(store ? [] : [{ what: 'Valkey or Redis', debian: 'redis-server' }]),
  ]
  throw new ClusterError(
    'BINARY_MISSING',
    `Not installed: ${missing.map((each) => each.what).join(', ')}. On Debian or Ubuntu: sudo apt-get install -y --no-install-recommends ${missing.map((each) => each.debian).join(' ')}`,
  )
}
