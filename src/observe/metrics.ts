/**
 * Workers' Prometheus metrics: listeners of their events. Names follow Prometheus' conventions (base units, `_total`). Labels
 * have few values: never a task id, and a task's name only where the worker handles the task, because other names come from the
 * sender.
 *
 * A registry may have the metrics of several workers, and those of its application. Workers are distinguished by `service`;
 * workers of the same service count together. When the last one has stopped, Warren's metrics are removed from the registry.
 */
import type { Registry } from 'prom-client'
import { OptionsError } from '../errors/index.js'
import { kindOf } from '../options.js'
import { taskQueue, withoutLane } from '../wire/names.js'
import type { TickEvent, WorkerEvents } from './events.js'
import type { ObservedWorker } from './health.js'
import type { MetricsRegistry } from './metricsRegistry.js'
import { loadPromClient } from './promClient.js'
import { fewValues, lacks, listenTo, registryOf, registryProblem, Watches } from './registry.js'

/** Seconds; from no-op tasks to long ones. */
const DURATION_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

/** Seconds that messages wait: moments to a day. */
const WAIT_BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1_800, 7_200, 86_400]

/** The label of every task that the worker does not handle. */
const UNKNOWN_TASK = 'unknown'
/** Schedules are named by users: there may be one for each customer. */
const MAX_SCHEDULES = 100

/**
 * Registers the metrics of one worker in `given`, a `Registry` of prom-client, or in a new one, until the worker stops.
 * Adds the metrics of the process if the registry lacks them. Read them with `registry.metrics()`. May be called for
 * several workers with the same registry. Throws `OptionsError`, and `MISSING_PACKAGE` when prom-client is not
 * installed.
 */
export function workerMetrics<Given extends MetricsRegistry>(worker: ObservedWorker, given: Given): Given
export function workerMetrics(worker: ObservedWorker, given?: undefined): MetricsRegistry
export function workerMetrics(worker: ObservedWorker, given?: MetricsRegistry): MetricsRegistry {
  const problems = [
    lacks(worker, 'on', 'off', 'health') ? `expected a worker of warren.worker(), got: ${kindOf(worker)}` : undefined,
    registryProblem(given),
  ].filter((problem) => problem !== undefined)
  if (problems.length > 0) throw new OptionsError('workerMetrics', problems)
  const registry = registryOf(given, 'workerMetrics')
  if (worker.health().state !== 'stopped') {
    workers.watch(registry, worker, (metrics, forget) => listen(worker, metrics, forget))
  }
  return registry
}

type Metrics = ReturnType<typeof register>
type Listeners = { [Event in keyof WorkerEvents]?: (...values: WorkerEvents[Event]) => void }

function listen(worker: ObservedWorker, metrics: Metrics, forget: () => void): () => void {
  const { attempts, duration, waited, settle, settled, deadLettered, delayed, limited, limitWait } = metrics
  const { service } = worker
  const taskOf = ({ task, queue }: { task: string; queue: string }): string =>
    withoutLane(queue) === taskQueue(task, service) ? task : UNKNOWN_TASK
  const listeners: Listeners = {
    attemptStarted: (attempt) => {
      if (attempt.waitedMs !== undefined) waited.observe({ service, task: taskOf(attempt) }, attempt.waitedMs / 1000)
    },
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
      const { queue, by, action, waitMs } = attempt
      const task = taskOf(attempt)
      limited.inc({ service, task, queue, by, action })
      if (waitMs !== undefined) limitWait.observe({ service, task }, waitMs / 1000)
    },
    pack: ({ queue, action, tasks }) => {
      metrics.packs.inc({ service, queue, action })
      metrics.packTasks.inc({ service, queue, action }, tasks)
    },
    tick: ({ schedule, action, reason = '', lateMs }) => {
      metrics.ticks.inc({ service, schedule: scheduleLabel(schedule), action, reason: reasonLabel(action, reason) })
      metrics.tickLateness.observe({ service }, Math.max(0, lateMs) / 1000)
    },
    workerState: ({ state }) => {
      if (state === 'stopped') forget()
    },
  }
  return listenTo(worker, listeners)
}

function register(registry: Registry, workers: () => Iterable<ObservedWorker>) {
  const { Counter, Gauge, Histogram } = loadPromClient()
  const registers = [registry]
  const attempts = new Counter({
    name: 'warren_attempts_total',
    help: 'Attempts by task and outcome.',
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
  const waited = new Histogram({
    name: 'warren_queue_time_seconds',
    help: 'How long messages waited for their attempt to begin, since they were sent or due.',
    labelNames: ['service', 'task'],
    buckets: WAIT_BUCKETS,
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
    help: 'Settled messages: acknowledged, returned to their queue, or lost with their channel.',
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
    help: 'Times that a limit delayed or dropped a message.',
    labelNames: ['service', 'task', 'queue', 'by', 'action'],
    registers,
  })
  const limitWait = new Histogram({
    name: 'warren_limit_wait_seconds',
    help: 'How long a limit has messages wait, each time that it does.',
    labelNames: ['service', 'task'],
    buckets: WAIT_BUCKETS,
    registers,
  })
  const ticks = new Counter({
    name: 'warren_ticks_total',
    help: 'Ticks of schedules that the worker processed, by what became of them.',
    labelNames: ['service', 'schedule', 'action', 'reason'],
    registers,
  })
  const tickLateness = new Histogram({
    name: 'warren_tick_lateness_seconds',
    help: 'How long after it was due a tick was processed.',
    labelNames: ['service'],
    buckets: WAIT_BUCKETS,
    registers,
  })
  const packs = new Counter({
    name: 'warren_packs_total',
    help: 'Packs by what was done with them.',
    labelNames: ['service', 'queue', 'action'],
    registers,
  })
  const packTasks = new Counter({
    name: 'warren_pack_tasks_total',
    help: 'Tasks in packs by what was done with them.',
    labelNames: ['service', 'queue', 'action'],
    registers,
  })
  const ready = new Gauge({
    name: 'warren_worker_ready',
    help: '1 when the worker consumes all its queues and its connections and store are available, else 0.',
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
    help: 'Tasks that the worker holds unacknowledged: waiting, running and settling.',
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
  const paused = new Gauge({
    name: 'warren_queue_paused',
    help: '1 for each queue of the worker that is paused, 0 for the others.',
    labelNames: ['service', 'queue'],
    registers,
    collect() {
      this.reset()
      for (const worker of workers()) {
        for (const { queue, state } of worker.health().queues) {
          this.set({ service: worker.service, queue }, state === 'paused' ? 1 : 0)
        }
      }
    },
  })
  return {
    ...{ attempts, duration, waited, settle, settled, deadLettered, delayed, limited, limitWait, ticks, tickLateness },
    ...{ packs, packTasks, ready, running, held, consumers, paused },
  }
}

const workers = new Watches(register)

const scheduleLabel = fewValues(MAX_SCHEDULES)

/** Of a tick that failed, the reason is an error's text. */
const reasonLabel = (action: TickEvent['action'], reason: string): string => (action === 'skipped' ? reason : '')

function byService(workers: Iterable<ObservedWorker>): Map<string, ObservedWorker[]> {
  const services = new Map<string, ObservedWorker[]>()
  for (const worker of workers) services.set(worker.service, [...(services.get(worker.service) ?? []), worker])
  return services
}
