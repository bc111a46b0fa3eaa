import { ClusterError } from './errors.js'
import { ManagedProcess } from './managedProcess.js'
import { LOOPBACK, MAX_WORKERS, ports, requireFree } from './ports.js'
import type { ProcessChange, ProcessDefinition } from './processDefinition.js'
import type { Settings } from './settings.js'
import { storeAddress } from './store.js'

/**
 * The demo workers, `worker-1` to `worker-N`. It owns their processes and nothing else; scaling touches only the workers
 * that come and go.
 *
 * Scaling up starts the lowest free numbers; scaling down stops the highest ones with SIGTERM and waits until each has
 * drained. A worker that somebody stopped or killed on purpose counts as one of N and is started by the next scaling.
 * Scalings wait for each other.
 */
export class WorkerPool {
  readonly #settings: Settings
  readonly #onChange: (change: ProcessChange) => void
  readonly #onScale: (workers: readonly number[]) => void
  readonly #workers = new Map<number, ManagedProcess>()
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(
    settings: Settings,
    listeners: {
      readonly onChange: (change: ProcessChange) => void
      /** Called with the numbers of all workers whenever they change. */
      readonly onScale: (workers: readonly number[]) => void
    },
  ) {
    this.#settings = settings
    this.#onChange = listeners.onChange
    this.#onScale = listeners.onScale
  }

  /** In the order of their numbers. */
  get processes(): ManagedProcess[] {
    return [...this.#workers].sort(([a], [b]) => a - b).map(([, worker]) => worker)
  }

  /** Resolves once exactly `count` workers are ready and every other one has ended. */
  async scale(count: number): Promise<void> {
    if (!Number.isInteger(count) || count < 0 || count > MAX_WORKERS) {
      throw new ClusterError(
        'INVALID_OPTIONS',
        `Cannot scale to ${count} workers: expected an integer from 0 to ${MAX_WORKERS}`,
      )
    }
    const scaling = this.#last.then(() => this.#scale(count))
    this.#last = scaling.catch(() => {})
    return scaling
  }

  /** Stops all of them. A scaling under way ends early. */
  async stop(): Promise<void> {
    this.#closed = true
    await Promise.all(this.processes.map((worker) => worker.stop()))
    await this.#last
    this.#workers.clear()
  }

  async #scale(count: number): Promise<void> {
    if (this.#closed) throw new ClusterError('INTERRUPTED', 'The cluster is stopping')
    const wanted = Array.from({ length: count }, (_, index) => index + 1)
    const added = wanted.filter((number) => !this.#workers.has(number))
    const surplus = [...this.#workers.keys()].filter((number) => number > count)

    const { ports: plan } = this.#settings
    await requireFree(
      added.map((number) => ({
        port: ports.worker(plan, number),
        purpose: `HTTP of worker-${number}`,
        setting: 'WARREN_PORT_BASE',
      })),
    )
    for (const number of added) {
      const worker = new ManagedProcess(workerDefinition(this.#settings, number))
      worker.on('state', this.#onChange)
      this.#workers.set(number, worker)
    }
    this.#onScale(wanted)
    await Promise.all([
      ...wanted
        .map((number) => this.#workers.get(number))
        .map((each) => (each?.state === 'frozen' ? undefined : each?.start())),
      ...surplus.map((number) => this.#retire(number)),
    ])
  }

  async #retire(number: number): Promise<void> {
    const code = await this.#workers.get(number)?.stop()
    this.#workers.delete(number)
    if (code !== undefined && code !== 0) {
      throw new ClusterError('PROCESS_EXITED', `worker-${number} did not drain cleanly: it exited with code ${code}`)
    }
  }
}

function workerDefinition(settings: Settings, number: number): ProcessDefinition {
  const { folder, ports: plan, env, passwords } = settings
  const name = `worker-${number}`
  const port = ports.worker(plan, number)
  const [command = process.execPath, ...args] = settings.workerCommand
  return {
    name,
    kind: 'worker',
    ports: [port],
    logFile: folder.log(name),
    pidFile: folder.pidFile(name),
    launch: () => ({
      command,
      args,
      cwd: folder.path,
      env: {
        ...env,
        WARREN_BROKER: `amqp://service:${encodeURIComponent(passwords.service ?? '')}@${LOOPBACK}:${plan.amqp}`,
        WARREN_RESULTS: storeAddress(settings),
        WARREN_WORKER_NAME: name,
        WARREN_HTTP_PORT: String(port),
      },
    }),
    ready: async (signal) => {
      const response = await fetch(`http://${LOOPBACK}:${port}/healthz`, { signal })
      const body = await response.text()
      if (response.status === 200) return undefined
      // A worker that runs and waits for a queue whose node is down is started: it takes the queue up by itself.
      const { state } = JSON.parse(body) as { state?: string }
      return state === 'running' ? undefined : `/healthz answers ${response.status}, its state is ${state}`
    },
    readyTimeoutMs: 30_000,
    // A little more than the grace period that the library gives attempts in hand.
    stopTimeoutMs: 40_000,
    // Here a second SIGTERM means: end at once, without draining.
    repeatSigterm: false,
    supervised: true,
  }
}
