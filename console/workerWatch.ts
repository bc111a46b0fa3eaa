/**
 * Looks at the workers: by their own pages where a launcher says which ports they have, else by their connections to
 * RabbitMQ. It owns nothing but what each said last.
 */
import { is } from 'warren'
import type { RawConnection, RawConsumer } from './answers.js'
import { BusyTasks, type BusyTaskView } from './busyTasks.js'
import type { LauncherProcess } from './launcher.js'
import type { LatencyView, WorkerView } from './snapshot.js'
import { Latency, parseMetrics, total } from './workerMetrics.js'

interface Health {
  readonly ready?: boolean
  readonly running?: number
  readonly held?: number
  readonly queues?: readonly { readonly queue: string; readonly state: string; readonly reason?: string }[]
  readonly store?: string
}

interface Seen {
  readonly health: Health
  readonly finished: number
  readonly at: number
  readonly rate: number | undefined
}

const TIMEOUT_MS = 1_000
/** Asking many workers at once would hurt the machine that they share with the tasks. */
const AT_ONCE = 16
const MAX_BODY = 512 * 1024

export class WorkerWatch {
  readonly #seen = new Map<string, Seen>()
  readonly #latency = new Latency()
  readonly #busy = new BusyTasks()

  latency = (now: number): LatencyView[] => this.#latency.views(now)
  busy = (now: number): BusyTaskView[] | undefined => this.#busy.views(now, this.latency(now))

  /** Asks every worker that runs. One that does not answer keeps no old facts. */
  async look(processes: readonly LauncherProcess[]): Promise<void> {
    const running = processes.filter(({ kind, state }) => kind === 'worker' && state === 'running')
    const names = new Set(running.map(({ name }) => name))
    for (const name of this.#seen.keys()) if (!names.has(name)) this.#forget(name)
    for (let first = 0; first < running.length; first += AT_ONCE) {
      await Promise.all(running.slice(first, first + AT_ONCE).map((worker) => this.#ask(worker)))
    }
  }

  views(processes: readonly LauncherProcess[]): WorkerView[] {
    return processes
      .filter(({ kind }) => kind === 'worker')
      .map(({ name, state, since, restarts, detail }) => {
        const seen = this.#seen.get(name)
        const { ready, running, held, queues = [], store } = seen?.health ?? {}
        return {
          ...{ name, state, controlled: true, queues, since, restarts },
          ...(detail === undefined ? {} : { detail }),
          ...(ready === undefined ? {} : { ready }),
          ...(running === undefined ? {} : { running }),
          ...(held === undefined ? {} : { held }),
          ...(store === undefined ? {} : { store }),
          ...(seen?.rate === undefined ? {} : { finished: seen.rate }),
        }
      })
  }

  async #ask({ name, ports }: LauncherProcess): Promise<void> {
    const base = `http://127.0.0.1:${ports[0]}`
    try {
      const [health, metrics] = await Promise.all([read(`${base}/healthz`), read(`${base}/metrics`)])
      const at = Date.now()
      const samples = parseMetrics(metrics)
      this.#latency.add(at, name, samples)
      this.#busy.add(at, name, samples)
      const finished = total(samples, 'warren_attempts_total')
      const before = this.#seen.get(name)
      const grown = before === undefined ? undefined : finished - before.finished
      const seconds = before === undefined ? 0 : (at - before.at) / 1000
      // Counts that went back are those of a new process: how much it did since is not known.
      const rate = grown === undefined || grown < 0 || seconds <= 0 ? undefined : grown / seconds
      this.#seen.set(name, { health: healthIn(health), finished, at, rate })
    } catch {
      // It does not answer: frozen, or just gone. The launcher says which.
      this.#forget(name)
    }
  }

  #forget(name: string): void {
    this.#seen.delete(name)
    this.#latency.forget(name)
    this.#busy.forget(name)
  }
}

async function read(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })
  const text = await response.text()
  if (text.length > MAX_BODY) throw new Error(`the answer of ${url} is too large`)
  return text
}

/** What is of another kind than a worker says counts as not said: something else may listen on the port. */
function healthIn(text: string): Health {
  const answer: unknown = JSON.parse(text)
  if (is.record(answer) !== undefined) return {}
  const { ready, running, held, queues, store } = answer as Record<string, unknown>
  return {
    ...(typeof ready === 'boolean' ? { ready } : {}),
    ...(typeof running === 'number' ? { running } : {}),
    ...(typeof held === 'number' ? { held } : {}),
    ...(typeof store === 'string' ? { store } : {}),
    queues: Array.isArray(queues) ? queues.filter(isQueue) : [],
  }
}

const isQueue = (value: unknown): value is NonNullable<Health['queues']>[number] => {
  if (is.record(value) !== undefined) return false
  const { queue, state, reason } = value as Record<string, unknown>
  return typeof queue === 'string' && typeof state === 'string' && ['string', 'undefined'].includes(typeof reason)
}

/** How Warren calls the connection on which a worker takes messages. */
const WORKER = / \(consume\)$/

/**
 * Who takes tasks, by connections to RabbitMQ. A worker of Warren's is a connection that says so and takes from something
 * else than dead letters: whoever looks at those takes them for a moment, too. Of other consumers, those that take from
 * `tasks`, the services' queues, are workers of another kind.
 */
export function workersOf(
  consumers: readonly RawConsumer[],
  connections: readonly RawConnection[],
  deadLetters: ReadonlySet<string>,
  tasks: ReadonlySet<string> = new Set(),
): WorkerView[] {
  const known = new Map(connections.map((connection) => [connection.name, connection]))
  const isWarren = (connection: string) => WORKER.test(known.get(connection)?.given ?? '')
  const byConnection = new Map<string, Set<string>>()
  for (const { queue, connection } of consumers) {
    if (deadLetters.has(queue) || !(isWarren(connection) || tasks.has(queue))) continue
    byConnection.set(connection, (byConnection.get(connection) ?? new Set()).add(queue))
  }
  const names = [...byConnection.keys()].map(
    (connection) => known.get(connection)?.given?.replace(WORKER, '') ?? connection.split(' ', 1)[0] ?? connection,
  )
  return [...byConnection].map(([connection, queues], index) => {
    const name = names[index] ?? connection
    // Replicas of one service often have one name.
    const alone = names.indexOf(name) === names.lastIndexOf(name)
    const { host, product, since } = known.get(connection) ?? {}
    return {
      ...(host === undefined ? {} : { host }),
      ...(product === undefined ? {} : { client: product }),
      ...(since === undefined ? {} : { since: new Date(since).toISOString() }),
      ...(isWarren(connection) ? {} : { foreign: true as const }),
      name: alone ? name : `${name} ${connection.split(' ', 1)[0]}`,
      state: 'connected',
      controlled: false,
      queues: [...queues].map((queue) => ({ queue, state: 'consuming' })),
    }
  })
}
