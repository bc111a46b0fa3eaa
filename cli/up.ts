/**
 * `warren up`, which `npm start` runs: the whole system in the foreground until Ctrl-C.
 *
 * The first Ctrl-C (or SIGTERM) stops everything it started, and only that, and exits with 0; the second kills it at once. A
 * process that ends by itself is reported on the screen, and the rest continues.
 */
import { type Command, InvalidArgumentError } from 'commander'
import type { Cluster } from '../cluster/index.js'
import { exitCodeOf, onStopSignals } from '../demo/stopSignals.js'
import { Failure, report } from './failure.js'
import type { Output, Verdict } from './output.js'
import { folderOf } from './running.js'

interface UpOptions {
  readonly workers?: number
  readonly dir?: string
  readonly burst: boolean
  readonly quorum?: true
  readonly storeReplica?: true
}

export function addUp(program: Command, output: Output, verdict: Verdict): void {
  program
    .command('up')
    .description('start the whole local system here and keep it until Ctrl-C (what npm start runs)')
    .option('--workers <n>', 'how many workers to start (default: 5)', parseWorkers)
    .option('--dir <dir>', 'folder for data, logs and settings (default: WARREN_DIR, or .warren)')
    .option('--no-burst', 'send no tasks after the start')
    .option('--quorum', 'make the user queue a quorum queue as well, as quorum.env does')
    .option('--store-replica', 'add a replica of the result store, and three Sentinels that promote it')
    .addHelpText(
      'after',
      `
Environment: WARREN_EDGE_PORT (8000), WARREN_AMQP_PORT (5680), WARREN_PORT_BASE (26000, of 200 internal ports),
WARREN_ADMIN_PASSWORD and so on for the other users.

Examples:
  npm start
  npm start -- --workers 10 --quorum
  WARREN_EDGE_PORT=8080 npm start`,
    )
    .action(async (options: UpOptions) => verdict(await up(options, output)))
}

export function parseWorkers(word: string): number {
  const workers = /^\d{1,6}$/.test(word) ? Number(word) : Number.NaN
  if (workers <= 149) return workers
  throw new InvalidArgumentError(`expected a whole number from 0 to 149, got: ${word}`)
}

async function up(options: UpOptions, { out, err }: Output): Promise<number> {
  // The demo's tasks read it when they are loaded, here and in every worker.
  if (options.quorum) process.env.WARREN_USER_QUEUE_TYPE = 'quorum'
  const { Cluster, ClusterError } = await import('../cluster/index.js')
  const cluster = new Cluster({
    dir: folderOf(options.dir),
    console: true,
    storeReplica: options.storeReplica ?? false,
    ...(options.workers === undefined ? {} : { workers: options.workers }),
  })
  const show = (line: string) => out(`${line.trimEnd()}\n`)
  cluster.on('progress', show)
  const interrupt = new AbortController()
  const leave = handleSignals(interrupt, cluster, show)
  try {
    await cluster.start()
    let code = 0
    if (options.burst && !interrupt.signal.aborted) {
      // If the first burst fails, the system stays up for inspection; the exit code reports the failure.
      await burst(cluster, interrupt.signal, show).catch((error: unknown) => {
        code = report(error, 'up', err)
      })
    }
    if (!interrupt.signal.aborted) {
      show(welcome(cluster))
      await new Promise<void>((resolve) => interrupt.signal.addEventListener('abort', () => resolve(), { once: true }))
    }
    return code
  } catch (error) {
    if (interrupt.signal.aborted && error instanceof ClusterError && error.code === 'INTERRUPTED') return 0
    throw error
  } finally {
    await cluster.stop()
    leave()
    if (interrupt.signal.aborted) show('Everything has stopped.')
  }
}

/** Returns a function that removes the handlers. */
function handleSignals(interrupt: AbortController, cluster: Cluster, show: (line: string) => void): () => void {
  return onStopSignals(
    () => {
      show('\nStopping everything; press Ctrl-C again to kill it at once')
      interrupt.abort()
      // Also ends a start in progress.
      void cluster.stop()
    },
    (signal) => void killAll(cluster).finally(() => process.exit(exitCodeOf(signal))),
  )
}

async function killAll(cluster: Cluster): Promise<void> {
  await Promise.allSettled(cluster.names().map((name) => cluster.killProcess(name)))
}

/** The first hundred tasks: half to each domain, sent with the code of the demo's client. */
async function burst(cluster: Cluster, signal: AbortSignal, show: (line: string) => void): Promise<void> {
  const { runClient } = await import('../demo/clientRun.js')
  const { connect } = await import('warren')
  const { results } = cluster.addresses
  const warren = await connect({ broker: cluster.brokerUrl('client'), results, name: 'first-burst', logger: false })
  try {
    show('\nA first burst: 50 accounts and 50 invoices of 0.05 s each')
    const run = (quorum: boolean) => {
      const options = {
        ...{ count: 50, seconds: 0.05, quorum, random: false, time: false, json: false, timeout: 60 },
        ...{ repeatAfter: undefined, broker: undefined, results: undefined, dir: undefined },
      }
      return runClient(warren, options, { line: (text) => show(`  ${text}`), progress: { write: () => {} } }, signal)
    }
    const summaries = await Promise.all([run(false), run(true)])
    const succeeded = summaries.reduce((sum, each) => sum + each.succeeded, 0)
    if (succeeded < 100 && !signal.aborted) {
      throw new Failure(`only ${succeeded} of the first 100 tasks ended as SUCCESS; logs are in ${cluster.dir}/logs`)
    }
  } finally {
    await warren.close()
  }
}

function welcome(cluster: Cluster): string {
  const { amqp, edge, prometheus, results } = cluster.addresses
  const dir = cluster.dir === folderDefault() ? '' : `--dir ${cluster.dir} `
  const commands = [
    [`client ${dir}--time --quorum 1000 0.1`, 'send a thousand tasks of 0.1 s'],
    [`scale ${dir}worker=10`, 'ten workers'],
    [`kill ${dir}rabbitmq-3`, 'take a node down, then: warren start rabbitmq-3'],
    [`status ${dir}`.trimEnd(), 'processes and addresses'],
  ] as const
  const width = Math.max(...commands.map(([command]) => command.length))
  const signIn = cluster.passwords.admin === 'admin' ? 'admin / admin' : 'admin / your WARREN_ADMIN_PASSWORD'
  return [
    '',
    'Warren is running.',
    `  console   ${edge}/   (sign in: ${signIn})`,
    `  RabbitMQ  ${edge}/rabbitmq/   (the same sign-in)`,
    `  HAProxy   ${edge}/haproxy`,
    ...(prometheus === undefined ? [] : [`  metrics   ${prometheus}`]),
    `  broker    ${amqp.join(' ')}`,
    `  results   ${results}`,
    '',
    'In a second terminal, in this folder:',
    ...commands.map(([command, why]) => `  npx warren ${command.padEnd(width)}   ${why}`),
    '',
    'Ctrl-C here stops everything.',
  ].join('\n')
}

/** The default folder of commands in a second terminal. */
const folderDefault = (): string => `${process.cwd()}/.warren`
