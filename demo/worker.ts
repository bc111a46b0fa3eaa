/**
 * The demo's worker process: `node dist/demo/worker.js`, configured only by environment variables. Logs JSON lines to stdout;
 * nothing per task at the default level.
 *
 * SIGTERM and SIGINT drain: finish what is held, take nothing new, exit 0. A later signal ends at once.
 * Exit 1: the cluster cannot be reached. Exit 2: an invalid environment variable. Both write one line to stderr.
 */
import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { connect, producerMetrics, serveWorker, textOf, type Worker } from 'warren'
import { addHandlers } from './handlers.js'
import { type Ledger, openLedger } from './ledger.js'
import { isStoreAddress, withPassword } from './secrets.js'
import { exitCodeOf, onStopSignals } from './stopSignals.js'
import { SERVICE } from './tasks.js'

export interface WorkerSettings {
  readonly broker: string[]
  readonly results: string
  readonly name: string
  readonly httpPort: number | undefined
  readonly httpHost: string
  readonly concurrency: number | undefined
  readonly prefetch: number | undefined
  readonly gracePeriodMs: number | undefined
  readonly deliveryLimit: number | undefined
  readonly resultTtlMs: number | undefined
  readonly ledgerFolder: string | undefined
  readonly logLevel: string
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

/** Reads the worker's settings, or returns one sentence for each that is wrong. An empty variable counts as unset. */
export function workerSettings(env: NodeJS.ProcessEnv): WorkerSettings | { readonly problems: readonly string[] } {
  const problems: string[] = []
  const integer = (key: string, min: number, max: number): number | undefined => {
    const text = env[key] || undefined
    if (text === undefined) return undefined
    const value = Number(text)
    if (Number.isInteger(value) && value >= min && value <= max) return value
    problems.push(`expected ${key} to be a whole number from ${min} to ${max}, got: ${text}`)
    return undefined
  }
  const address = (key: string, text: string, schemes: readonly string[]): string => {
    const scheme = URL.canParse(text) ? new URL(text).protocol.slice(0, -1) : ''
    // The value may contain a password: the message says what was expected, but does not show the value.
    if (!schemes.includes(scheme)) problems.push(`expected ${key} to be ${schemes[0]}://user:password@host:port`)
    return text
  }
  const broker = (env.WARREN_BROKER ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
  if (broker.length === 0) problems.push('expected WARREN_BROKER to be given, as amqp://user:password@host:port')
  for (const each of broker) address('WARREN_BROKER', each, ['amqp', 'amqps'])
  const results = env.WARREN_RESULTS ?? ''
  if (results === '') problems.push('expected WARREN_RESULTS to be given, as redis://host:port')
  else if (!isStoreAddress(results)) {
    problems.push(
      'expected WARREN_RESULTS to be redis://user:password@host:port or sentinel://user:password@host:port/NAME',
    )
  }
  const logLevel = env.WARREN_LOG_LEVEL || 'info'
  if (!LOG_LEVELS.includes(logLevel)) {
    problems.push(`expected WARREN_LOG_LEVEL to be one of ${LOG_LEVELS.join(', ')}, got: ${logLevel}`)
  }
  const settings: WorkerSettings = {
    broker: broker.map((each) => withPassword(each, env)),
    results: withPassword(results, env),
    name: env.WARREN_WORKER_NAME || `${hostname()}-${process.pid}`,
    httpPort: integer('WARREN_HTTP_PORT', 0, 65_535),
    // The page has no sign-in: loopback only, unless a container overrides it.
    httpHost: env.WARREN_HTTP_HOST || '127.0.0.1',
    concurrency: integer('WARREN_CONCURRENCY', 1, 10_000),
    // By default the library adapts it to the duration of attempts.
    prefetch: integer('WARREN_PREFETCH', 1, 2_000),
    gracePeriodMs: integer('WARREN_GRACE_MS', 0, 2 ** 31 - 1),
    deliveryLimit: integer('WARREN_DELIVERY_LIMIT', 1, 1_000_000),
    resultTtlMs: integer('WARREN_RESULT_TTL_MS', 1, 2 ** 53 - 1),
    ledgerFolder: env.WARREN_LEDGER_DIR || undefined,
    logLevel,
  }
  return problems.length > 0 ? { problems } : settings
}

/** `{ key: value }`, or nothing when the value is unset: the library's options refuse nothing but have no undefined. */
const given = <Key extends string, Value>(key: Key, value: Value | undefined): Partial<Record<Key, Value>> =>
  value === undefined ? {} : ({ [key]: value } as Partial<Record<Key, Value>>)

/** Runs until a signal, with the handlers that `add` registers. Resolves with the exit code. */
export async function runWorker(
  env: NodeJS.ProcessEnv = process.env,
  add: (worker: Worker, name: string) => void = addHandlers,
): Promise<number> {
  const settings = workerSettings(env)
  if ('problems' in settings) {
    process.stderr.write(`warren worker: ${settings.problems.join('; ')}\n`)
    return 2
  }
  const log = pino({ level: settings.logLevel, base: { worker: settings.name, pid: process.pid } })
  const stop = stopSignal((signal) => log.info({ signal }, 'Stopping: finishing held messages, taking no new ones'))
  // Cleaned up in reverse order. Node 20 has no AsyncDisposableStack.
  const undo: (() => unknown)[] = []
  try {
    const { broker, results, name, resultTtlMs } = settings
    const connecting = connect({ broker, results, name, logger: log, resultTtlMs })
    // On a signal during connecting, there is nothing to drain.
    const warren = await Promise.race([connecting, stop])
    if (typeof warren === 'string') return 0
    undo.push(() => warren.close())
    const worker = warren.worker({
      service: SERVICE,
      ...given('prefetch', settings.prefetch),
      ...given('concurrency', settings.concurrency),
      ...given('gracePeriodMs', settings.gracePeriodMs),
      ...given('deliveryLimit', settings.deliveryLimit),
    })
    add(worker, settings.name)
    if (settings.ledgerFolder !== undefined) {
      const ledger = openLedger(settings.ledgerFolder, settings.name)
      undo.push(() => ledger.close())
      record(worker, ledger)
    }
    if (settings.httpPort !== undefined) {
      const registry = producerMetrics(warren)
      const server = await serveWorker(worker, { port: settings.httpPort, host: settings.httpHost, registry })
      undo.push(() => server.close())
      log.info({ url: server.url }, 'Serving /healthz and /metrics')
    }
    await worker.start()
    log.info('Ready')
    await stop
    await worker.stop()
    log.info('Stopped')
    return 0
  } catch (error) {
    process.stderr.write(`warren worker: ${textOf(error)}\n`)
    if (env.WARREN_DEBUG === '1') process.stderr.write(`${error instanceof Error ? error.stack : ''}\n`)
    return 1
  } finally {
    for (const step of undo.reverse()) await step()
  }
}

/** Resolves with the first signal to stop; a later one ends the process at once, as the shell would report it. */
function stopSignal(onFirst: (signal: string) => void): Promise<string> {
  return new Promise((resolve) => {
    onStopSignals(
      (signal) => {
        onFirst(signal)
        resolve(signal)
      },
      (signal) => process.exit(exitCodeOf(signal)),
    )
  })
}

function record(worker: Worker, ledger: Ledger): void {
  worker.on('attemptStarted', ({ id, task, number }) => ledger.write({ event: 'started', id, task, attempt: number }))
  worker.on('attemptFinished', ({ id, task, number, outcome }) =>
    ledger.write({ event: 'finished', id, task, attempt: number, outcome }),
  )
  worker.on('attemptSettled', ({ id, task, number, outcome, settled }) =>
    ledger.write({ event: 'settled', id, task, attempt: number, outcome, settled }),
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exit(await runWorker())
