/**
 * The demo's client as a command. `warren client`, compose's `client` and tests run this code.
 *
 * Ctrl-C ends it with a summary: a single round with exit code 1, because tasks are still open; `--repeat-after`, which has no
 * other end, with 0.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect, type Logger, textOf, type Warren } from 'warren'
import { aborted } from './aborted.js'
import { CLIENT_HELP, type ClientOptions, parseClientArguments } from './clientArguments.js'
import { CLOSE_MS, exitCode, runClient } from './clientRun.js'
import { withPassword } from './secrets.js'
import { exitCodeOf, onStopSignals } from './stopSignals.js'

/** The cluster's addresses, if the command line does not contain them. */
export interface ClientAddresses {
  readonly broker: string[]
  readonly results: string
}

/**
 * The whole command: reads `words`, connects, runs, closes. Resolves with the exit code. `addresses` is called only if the
 * command line has none, and throws a sentence if there is no cluster.
 */
export async function client(
  words: readonly string[],
  addresses: (dir: string | undefined) => ClientAddresses | Promise<ClientAddresses>,
): Promise<number> {
  const parsed = parseClientArguments(words)
  if (parsed.kind === 'help') {
    process.stdout.write(CLIENT_HELP)
    return 0
  }
  if (parsed.kind === 'wrong') {
    process.stderr.write(`warren client: ${parsed.sentence}\n`)
    return 2
  }
  const { options } = parsed
  const abort = new AbortController()
  const offSignals = onStopSignals(
    () => abort.abort(),
    (signal) => process.exit(exitCodeOf(signal)),
  )
  let warren: Warren | undefined
  try {
    const { broker, results } =
      options.broker !== undefined && options.results !== undefined
        ? { broker: options.broker, results: options.results }
        : { ...(await addresses(options.dir)), ...definedOf(options) }
    const connecting = connect({ broker, results, name: 'demo-client', logger: notices() })
    connecting.catch(() => {})
    const opened = await Promise.race([connecting, aborted(abort.signal)])
    if (opened === undefined) return 1
    warren = opened
    const output = { line: (text: string) => process.stdout.write(`${text}\n`), progress: process.stderr }
    return exitCode(await runClient(warren, options, output, abort.signal), options)
  } catch (error) {
    process.stderr.write(`warren client: ${textOf(error)}\n`)
    if (process.env.WARREN_DEBUG === '1' && error instanceof Error) process.stderr.write(`${error.stack}\n`)
    return 1
  } finally {
    if (warren !== undefined) await Promise.race([warren.close(), wait(CLOSE_MS, undefined, { ref: false })])
    offSignals()
  }
}

/** Writes one line to stderr when a connection is lost, blocked or back; normal operation writes nothing. */
function notices(): Logger {
  let troubled = false
  const line = (message: string) => process.stderr.write(`${process.stderr.isTTY ? '\r\x1b[2K' : ''}${message}\n`)
  const trouble = (_fields: object, message: string) => {
    troubled = true
    line(message)
  }
  const recovery = (_fields: object, message: string) => troubled && line(message)
  return { debug: () => {}, info: recovery, warn: trouble, error: trouble }
}

function definedOf({ broker, results }: ClientOptions): Partial<ClientAddresses> {
  return { ...(broker === undefined ? {} : { broker }), ...(results === undefined ? {} : { results }) }
}

/** The addresses from `WARREN_BROKER` and `WARREN_RESULTS`, if they are set. */
export function addressesFrom(env: NodeJS.ProcessEnv): Partial<ClientAddresses> {
  const address = (text: string) => withPassword(text.trim(), env)
  return {
    ...(env.WARREN_BROKER ? { broker: env.WARREN_BROKER.split(',').map(address) } : {}),
    ...(env.WARREN_RESULTS ? { results: address(env.WARREN_RESULTS) } : {}),
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const code = await client(process.argv.slice(2), () => {
    const { broker, results } = addressesFrom(process.env)
    if (broker !== undefined && results !== undefined) return { broker, results }
    throw new Error(
      "expected the cluster's addresses: pass --broker and --results, or set WARREN_BROKER and WARREN_RESULTS",
    )
  })
  process.exit(code)
}
