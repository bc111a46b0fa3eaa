/** `warren console`: a live dashboard of the running cluster or another one. `npm start` serves it under `/`. */
import { type Command, InvalidArgumentError } from 'commander'
import type { Account } from '../console/index.js'
import { Failure } from './failure.js'
import type { Output, Verdict } from './output.js'
import { dirOption, folderOf } from './running.js'

interface ConsoleCommandOptions {
  readonly broker?: string
  readonly results?: string
  readonly management?: string
  readonly metrics?: string
  readonly host?: string
  readonly port?: number
  readonly readOnly?: boolean
  readonly trustedHeader?: string
  readonly operator?: readonly string[]
  readonly trustedProxy?: readonly string[]
  readonly origin?: string
  readonly basePath?: string
  readonly link?: Readonly<Record<string, string>>
  readonly dir?: string
  readonly control?: string
  readonly state?: string
}

export function addConsole(program: Command, { out }: Output, _verdict: Verdict): void {
  program
    .command('console')
    .description('serve a live dashboard of a cluster: watch it work, break it, watch it recover')
    .option('--broker <url>', 'broker address, several separated by commas (default: WARREN_BROKER, or the cluster)')
    .option('--results <url>', 'result store address (default: WARREN_RESULTS, or the running cluster)')
    .option(
      '--management <url>',
      "RabbitMQ's management API, several separated by commas (default: WARREN_MANAGEMENT, or port 15672 of the broker)",
    )
    .option(
      '--metrics <url>',
      'the Prometheus endpoint of each node, separated by commas; used only if RabbitMQ collects no statistics for its management API (default: WARREN_METRICS, or port 15692 of each management address)',
    )
    .option('--host <host>', 'host to listen on (default: 127.0.0.1)')
    .option('--port <port>', 'port to listen on; 0 selects a free one (default: 8080)', portNumber)
    .option('--read-only', 'show everything, change nothing (the default if --host is not loopback)')
    .option('--no-read-only', 'allow control even if --host is not loopback')
    .option(
      '--trusted-header <name>',
      'trust this header from a proxy that authenticates users, such as X-Forwarded-User',
    )
    .option(
      '--operator <user>',
      'a user of that header with full control; all others are read-only; may be repeated',
      listed,
    )
    .option(
      '--trusted-proxy <address>',
      "the proxy's own IP address; may be repeated (default: 127.0.0.1 and ::1)",
      listed,
    )
    .option('--origin <url>', "the page's public address, if a proxy changes it, such as https://console.example.com")
    .option('--base-path <path>', 'path under which a proxy serves the page, such as /warren (default: none)')
    .option(
      '--link <name=address>',
      'a page that the console links to, such as Grafana=/grafana/; may be repeated',
      links,
    )
    .option('--control <socket>', "the local cluster's control socket, to stop and start processes")
    .option('--state <dir>', 'folder that keeps sign-ins and sign-outs across restarts')
    .addOption(dirOption())
    .addHelpText(
      'after',
      `
Sign in as admin for full control (WARREN_ADMIN_PASSWORD, by default "admin" on loopback), or as viewer, read-only
(WARREN_VIEWER_PASSWORD, by default "viewer" on loopback). Hosts other than loopback need WARREN_ADMIN_PASSWORD.

Examples:
  warren console                                                the running cluster, on http://127.0.0.1:8080/
  warren console --broker amqp://user:password@host --results redis://host --management https://host:15671`,
    )
    .action(async (options: ConsoleCommandOptions) => serve(options, out))
}

function portNumber(word: string): number {
  const port = /^\d{1,5}$/.test(word) ? Number(word) : Number.NaN
  if (port <= 65_535) return port
  throw new InvalidArgumentError(`expected a port from 0 to 65535, got: ${word}`)
}

const listed = (word: string, before: readonly string[] = []): string[] => [...before, word]

function links(word: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, name, address] = /^([^=]+)=(.+)$/.exec(word) ?? []
  if (name === undefined || address === undefined) {
    throw new InvalidArgumentError('expected a name and an address, such as Grafana=/grafana/')
  }
  return { ...before, [name]: address }
}

async function serve(options: ConsoleCommandOptions, out: Output['out']): Promise<void> {
  const { DEFAULT_HOST, isLoopback, startConsole } = await import('../console/index.js')
  const { onStopSignals } = await import('../demo/stopSignals.js')
  const { host = DEFAULT_HOST, port, readOnly, origin, state, basePath, link } = options
  const { repositoryRoot } = await import('../cluster/index.js')
  const signIns = await accounts(isLoopback(host), options.trustedHeader !== undefined)
  const served = await startConsole({
    ...(await addressesOf(options)),
    ...{ host, ...(signIns.length === 0 ? {} : { accounts: signIns }) },
    ...trusted(options),
    ...(port === undefined ? {} : { port }),
    ...(readOnly === undefined ? {} : { readOnly }),
    ...(origin === undefined ? {} : { origin }),
    ...(state === undefined ? {} : { stateFolder: state }),
    ...(basePath === undefined ? {} : { basePath }),
    ...(link === undefined ? {} : { links: link }),
    drillCommand: [process.execPath, `${repositoryRoot()}/dist/cli/main.js`],
  })
  out(`Console: ${served.url}${served.readOnly ? ' (read-only)' : ''}\n`)
  await new Promise<void>((resolve) => {
    onStopSignals(
      () => resolve(),
      () => process.exit(1),
    )
  })
  await served.close()
}

type Addresses = Pick<Parameters<typeof import('../console/index.js').startConsole>[0], 'broker'> & {
  results?: string
  management?: string[]
  metrics?: string[]
  control?: string
  deliveryLimit?: number
}

/** The given options, completed from the environment or the running cluster. */
async function addressesOf(options: ConsoleCommandOptions): Promise<Addresses> {
  const { withPassword } = await import('../demo/secrets.js')
  const { DEAD_LETTER_DELIVERY_LIMIT } = await import('warren')
  const list = (text: string | undefined): string[] | undefined =>
    text ? text.split(',').map((each) => withPassword(each.trim(), process.env)) : undefined
  const broker = list(options.broker || process.env.WARREN_BROKER)
  // Not a list: Sentinels have commas in one address.
  const store = (options.results || process.env.WARREN_RESULTS)?.trim()
  const results = store ? withPassword(store, process.env) : undefined
  const management = list(options.management || process.env.WARREN_MANAGEMENT)
  const metrics = list(options.metrics || process.env.WARREN_METRICS)
  if (broker !== undefined) {
    return {
      broker,
      ...(results === undefined ? {} : { results }),
      ...(management === undefined ? {} : { management }),
      ...(metrics === undefined ? {} : { metrics }),
      // Only the local cluster has a launcher and the demo's policies.
      ...(options.control === undefined ? {} : { control: options.control, deliveryLimit: DEAD_LETTER_DELIVERY_LIMIT }),
    }
  }
  const { Folder, readStatus } = await import('../cluster/index.js')
  const { runningAddresses } = await import('./running.js')
  const dir = folderOf(options.dir)
  const running = await runningAddresses('operator', dir)
  const { addresses } = await readStatus(dir)
  return {
    ...{ broker: running.broker, results: results ?? running.results },
    management: management ?? [...addresses.management.nodes],
    metrics: metrics ?? [...addresses.management.metrics],
    ...{ control: options.control ?? new Folder(dir).controlSocket, deliveryLimit: DEAD_LETTER_DELIVERY_LIMIT },
  }
}

function trusted({ trustedHeader: header, operator: operators, trustedProxy: proxies }: ConsoleCommandOptions) {
  if (header === undefined) {
    if (operators === undefined && proxies === undefined) return {}
    throw new Failure('expected --trusted-header with --operator and --trusted-proxy', { exitCode: 2 })
  }
  return {
    trustedHeader: {
      header,
      ...(operators === undefined ? {} : { operators }),
      ...(proxies === undefined ? {} : { proxies }),
    },
  }
}

/**
 * `admin` has full control, `viewer` is read-only. The default passwords are for loopback only, and not beside a proxy that
 * signs people in.
 */
async function accounts(onLoopback: boolean, elsewhere: boolean): Promise<Account[]> {
  const loopback = onLoopback && !elsewhere
  const { passwordFile } = await import('../demo/secrets.js')
  const { env } = process
  const admin = passwordFile('admin', env) ?? (env.WARREN_ADMIN_PASSWORD || (loopback ? 'admin' : undefined))
  const viewer = passwordFile('viewer', env) ?? (env.WARREN_VIEWER_PASSWORD || (loopback ? 'viewer' : undefined))
  if (admin === undefined && !elsewhere) {
    throw new Failure('set WARREN_ADMIN_PASSWORD: there is no default password on hosts other than loopback', {
      exitCode: 2,
    })
  }
  return [
    ...(admin === undefined ? [] : [{ user: 'admin', password: admin, role: 'operator' } as const]),
    ...(viewer === undefined ? [] : [{ user: 'viewer', password: viewer, role: 'viewer' } as const]),
  ]
}
