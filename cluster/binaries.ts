/** Where the servers' binaries are. A missing one is an error that names its remedy. */
import { accessSync, constants, readdirSync, realpathSync, statSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { ClusterError } from './errors.js'

export interface Binaries {
  readonly rabbitmqServer: string
  /** Folder with `rabbitmqctl` and `rabbitmq-queues`. */
  readonly rabbitmqTools: string
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

/** RabbitMQ's version, from the name of its main plugin folder: asking the server would cost an Erlang start. */
function rabbitmqVersion(server: string): [number, number] {
  const home = dirname(dirname(realpathSync(server)))
  for (const folder of [join(home, 'plugins'), ...versionedHomes(home)]) {
    const version = listed(folder)
      .map((name) => /^rabbit-(\d+)\.(\d+)\./.exec(name))
      .find((match) => match !== null)
    if (version) return [Number(version[1]), Number(version[2])]
  }
  return [4, 0]
}

const versionedHomes = (home: string): string[] =>
  listed(join(home, 'lib'))
    .filter((name) => name.startsWith('rabbitmq_server-'))
    .map((name) => join(home, 'lib', name, 'plugins'))

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
    return {
      rabbitmqServer,
      rabbitmqTools: dirname(rabbitmqServer),
      rabbitmqVersion: rabbitmqVersion(rabbitmqServer),
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
