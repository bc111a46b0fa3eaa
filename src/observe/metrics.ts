/**
 * Workers' Prometheus metrics: listeners of their events. Names follow Prometheus' conventions (base units, `_total`).
 * Labels have few values: never a task id, and a task's name only where the worker handles the task, since the names of
 * others come from strangers.
 *
 * A registry may have the metrics of several workers, and those of its application. Each worker is told apart by its
 * `service`; workers of the same service count together. When the last one has stopped, Warren's metrics leave the
 * registry as they found it.
 */
import type { Registry } from 'prom-client'
import { OptionsError } from '../errors/index.js'
import { memberOf } from '../kinds.js'
import { kindOf } from '../options.js'
import { taskQueue, withoutLane } from '../wire/names.js'
import type { WorkerEvents } from './events.js'
import type { ObservedWorker } from './health.js'
import { loadPromClient } from './promClient.js'

/** Seconds; from no-op tasks to long ones. */
const DURATION_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

/** The label of every task that the worker does not handle. */
const UNKNOWN_TASK = 'unknown'

/** A `Registry` of prom-client, which is optional: these types hold where it is not installed, too. */
export interface MetricsRegistry {
  readonly contentType: string
  metrics(): Promise<string>
}

/** The workers of each registry that has some. */
const watched = new WeakMap<Registry, WatchedWorkers>()

/**
 * Registers the metrics of one worker in `given`, a `Registry` of prom-client, or in a new one, until the worker stops.
 * Adds the metrics of the process where the registry lacks them. Read them with `registry.metrics()`. May be called for
 * several workers with the same registry. Throws `OptionsError`, and `MISSING_PACKAGE` when prom-client is not
 * installed.
 */
export function workerMetrics<Given extends MetricsRegistry>(worker: ObservedWorker, given: Given): Given
export function workerMetrics(worker: ObservedWorker, given?: undefined): MetricsRegistry
export function workerMetrics(worker: ObservedWorker, given?: MetricsRegistry): MetricsRegistry {
  checkObserved(worker, given)
  const registry = (given ?? new (loadPromClient().Registry)()) as Registry
  addProcessMetrics(registry)
  if (worker.health().state === 'stopped') return registry
  let workers = watched.get(registry)
  if (workers === undefined || !workers.registered) {
    workers = new WatchedWorkers(registry)
    watched.set(registry, workers)
  }
  workers.watch(worker)
  return registry
}

function checkObserved(worker: unknown, registry: unknown): void {
  const lacks = (value: unknown, ...methods: string[]): boolean =>
    methods.some((name) => typeof memberOf(value, name) !== 'function')
  const problems = [
    lacks(worker, 'on', 'off', 'health') ? `expected a worker of warren.worker(), got: ${kindOf(worker)}` : undefined,
    registry !== undefined && lacks(registry, 'registerMetric', 'getSingleMetric', 'metrics')
      ? `expected a Registry of prom-client, got: ${kindOf(registry)}`
      : undefined,
  ].filter((problem) => problem !== undefined)
  if (problems.length > 0) throw new OptionsError('workerMetrics', problems)
}

/** One of prom-client's own, by which a registry that has them is known. */
const A_PROCESS_METRIC = 'process_start_time_seconds'

/** Adds what is missing, one by one: an application may have registered all of them, or some. */
function addProcessMetrics(registry: Registry): void {
  if (registry.getSingleMetric(A_PROCESS_METRIC) !== undefined) return
  const { collectDefaultMetrics, Registry } = loadPromClient()
  const all = new Registry()
  collectDefaultMetrics({ register: all })
  for (const metric of all.getMetricsAsArray()) {
    if (registry.getSingleMetric(metric.name) === undefined) registry.registerMetric(metric as never)
  }
}

class WatchedWorkers {
  readonly #registry: Registry
  readonly #metrics: ReturnType<typeof register>
  /** Each with what takes its listeners away. */
  readonly #workers = new Map<ObservedWorker, () => void>()

  constructor(registry: Registry) {
    this.#registry = registry
    this.#metrics = register(registry, () => this.#workers.keys())
  }

  /** Whether the metrics are still in the registry: its owner may have cleared it. */
  get registered(): boolean {
    return Object.values(this.#metrics).every(
      (metric) => this.#registry.getSingleMetric(nameOf(metric)) === (metric as unknown),
    )
  }

  watch(worker: ObservedWorker): void {
    if (this.#workers.has(worker)) return
    const { attempts, duration, settle, settled, deadLettered, delayed, limited } = this.#metrics
    const { service } = worker
    const taskOf = ({ task, queue }: { task: string; queue: string }): string =>
      withoutLane(queue) === taskQueue(task, service) ? task : UNKNOWN_TASK
    const listeners: { [Event in keyof WorkerEvents]?: (...values: WorkerEvents[Event]) => void } = {
      attemptFinished: (attempt) => {
        const { queue, outcome, durationMs } = attempt
        const task = taskOf(attempt)
        attempts.inc({ service, task, queue, outcome })
        if (outcome !== 'held') duration.observe({ service, task }, durationMs / 1000)
      },
      attemptSettled: (attempt) => {
        const { queue, settled: how, settleMs } = attempt
        const task = taskOf(attempt)
        settled.inc({ service, task, queue, settled: how })
        settle.observe({ service, task }, settleMs / 1000)
      },
      deadLettered: (attempt) =>
        deadLettered.inc({ service, task: taskOf(attempt), queue: attempt.queue, reason: attempt.reason }),
      settleDelayed: (attempt) =>
        delayed.inc({ service, task: taskOf(attempt), queue: attempt.queue, waiting_for: attempt.waitingFor }),
      limited: (attempt) => {
        const { queue, by, action } = attempt
        limited.inc({ service, task: taskOf(attempt), queue, by, action })
      },
      workerState: ({ state }) => {
        if (state === 'stopped') this.#forget(worker)
      },
    }
    const each = Object.entries(listeners) as [keyof WorkerEvents, (...values: unknown[]) => void][]
    for (const [event, listener] of each) worker.on(event, listener)
    this.#workers.set(worker, () => {
      for (const [event, listener] of each) worker.off(event, listener)
    })
  }

  #forget(worker: ObservedWorker): void {
    this.#workers.get(worker)?.()
    this.#workers.delete(worker)
    if (this.#workers.size > 0 || !this.registered) return
    for (const metric of Object.values(this.#metrics)) this.#registry.removeSingleMetric(nameOf(metric))
  }
}

/** prom-client's types leave the name out. */
const nameOf = (metric: object): string => (metric as { name: string }).name

function register(registry: Registry, workers: () => Iterable<ObservedWorker>) {
  const { Counter, Gauge, Histogram } = loadPromClient()
  const registers = [registry]
  const attempts = new Counter({
    name: 'warren_attempts_total',
    help: 'Attempts by task and by how they ended.',
    labelNames: ['service', 'task', 'queue', 'outcome'],
    registers,
  })
  const duration = new Histogram({
    name: 'warren_attempt_duration_seconds',
    help: 'How long handlers ran.',
    labelNames: ['service', 'task'],
    buckets: DURATION_BUCKETS,
    registers,
  })
  const settle = new Histogram({
    name: 'warren_settle_duration_seconds',
    help: 'From the end of a handler to the acknowledgement: storing, publishing and acknowledging.',
    labelNames: ['service', 'task'],
    buckets: DURATION_BUCKETS,
    registers,
  })
  const settled = new Counter({
    name: 'warren_settled_total',
    help: 'What became of messages: acknowledged, returned to their queue, or lost with their channel.',
    labelNames: ['service', 'task', 'queue', 'settled'],
    registers,
  })
  const deadLettered = new Counter({
    name: 'warren_dead_lettered_total',
    help: 'Messages that the worker dead-lettered, by reason.',
    labelNames: ['service', 'task', 'queue', 'reason'],
    registers,
  })
  const delayed = new Counter({
    name: 'warren_settle_delayed_total',
    help: 'Times that settling had to wait for the result store or the broker.',
    labelNames: ['service', 'task', 'queue', 'waiting_for'],
    registers,
  })
  const limited = new Counter({
    name: 'warren_limited_total',
    help: 'Times that a limit kept a message from being run at once.',
    labelNames: ['service', 'task', 'queue', 'by', 'action'],
    registers,
  })
  const ready = new Gauge({
    name: 'warren_worker_ready',
    help: '1 when the worker consumes all its queues and its connections and store are there, else 0.',
    labelNames: ['service'],
    registers,
    collect() {
      this.reset()
      for (const [service, all] of byService(workers())) {
        this.set({ service }, all.every((worker) => worker.health().ready) ? 1 : 0)
      }
    },
  })
  const running = new Gauge({
    name: 'warren_worker_running',
    help: 'Handlers that run now.',
    labelNames: ['service'],
    registers,
    collect() {
      this.reset()
      for (const worker of workers()) this.inc({ service: worker.service }, worker.health().running)
    },
  })
  const held = new Gauge({
    name: 'warren_worker_held',
    help: 'Messages that the worker holds unacknowledged: waiting, running and settling.',
    labelNames: ['service'],
    registers,
    collect() {
      this.reset()
      for (const worker of workers()) this.inc({ service: worker.service }, worker.health().held)
    },
  })
  const consumers = new Gauge({
    name: 'warren_consumer_up',
    help: '1 for each queue that is consumed or paused, 0 for one that should be consumed and is not.',
    labelNames: ['service', 'queue'],
    registers,
    collect() {
      this.reset()
      for (const [service, all] of byService(workers())) {
        const queues = all.flatMap((worker) => worker.health().queues)
        const down = new Set(
          queues.filter(({ state }) => state !== 'consuming' && state !== 'paused').map(({ queue }) => queue),
        )
        for (const { queue } of queues) this.set({ service, queue }, down.has(queue) ? 0 : 1)
      }
    },
  })
  return { attempts, duration, settle, settled, deadLettered, delayed, limited, ready, running, held, consumers }
}

function byService(workers: Iterable<ObservedWorker>): Map<string, ObservedWorker[]> {
  const services = new Map<string, ObservedWorker[]>()
  for (const worker of workers) services.set(worker.service, [...(services.get(worker.service) ?? []), worker])
  return services
}
