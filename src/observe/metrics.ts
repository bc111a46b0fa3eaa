/**
 * A worker's Prometheus metrics: listeners of its events. Names follow Prometheus' conventions (base units, `_total`);
 * labels have few values, so never a task id.
 */
import type { Registry } from 'prom-client'
import type { ObservedWorker } from './health.js'
import { loadPromClient } from './promClient.js'

/** Seconds; from no-op tasks to long ones. */
const DURATION_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

/** A `Registry` of prom-client, which is optional: these types hold where it is not installed, too. */
export interface MetricsRegistry {
  readonly contentType: string
  metrics(): Promise<string>
}

/**
 * Registers the metrics of one worker in `given`, a `Registry` of prom-client, or in a new one. Read them with
 * `registry.metrics()`. Throws `MISSING_PACKAGE` when prom-client is not installed.
 */
export function workerMetrics<Given extends MetricsRegistry>(worker: ObservedWorker, given: Given): Given
export function workerMetrics(worker: ObservedWorker, given?: undefined): MetricsRegistry
export function workerMetrics(worker: ObservedWorker, given?: MetricsRegistry): MetricsRegistry {
  const { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } = loadPromClient()
  const registry = (given ?? new Registry()) as Registry
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const attempts = new Counter({
    name: 'warren_attempts_total',
    help: 'Attempts by task and by how they ended.',
    labelNames: ['task', 'queue', 'outcome'],
    registers,
  })
  const duration = new Histogram({
    name: 'warren_attempt_duration_seconds',
    help: 'How long handlers ran.',
    labelNames: ['task'],
    buckets: DURATION_BUCKETS,
    registers,
  })
  const settle = new Histogram({
    name: 'warren_settle_duration_seconds',
    help: 'From the end of a handler to the acknowledgement: storing, publishing and acknowledging.',
    labelNames: ['task'],
    buckets: DURATION_BUCKETS,
    registers,
  })
  const settled = new Counter({
    name: 'warren_settled_total',
    help: 'What became of messages: acknowledged, returned to their queue, or lost with their channel.',
    labelNames: ['task', 'queue', 'settled'],
    registers,
  })
  const deadLettered = new Counter({
    name: 'warren_dead_lettered_total',
    help: 'Messages that the worker dead-lettered, by reason.',
    labelNames: ['task', 'queue', 'reason'],
    registers,
  })
  const delayed = new Counter({
    name: 'warren_settle_delayed_total',
    help: 'Times that settling had to wait for the result store or the broker.',
    labelNames: ['task', 'waiting_for'],
    registers,
  })
  new Gauge({
    name: 'warren_worker_ready',
    help: '1 when the worker consumes all its queues and its connections and store are there, else 0.',
    registers,
    collect() {
      this.set(worker.health().ready ? 1 : 0)
    },
  })
  new Gauge({
    name: 'warren_worker_running',
    help: 'Handlers that run now.',
    registers,
    collect() {
      this.set(worker.health().running)
    },
  })
  new Gauge({
    name: 'warren_worker_held',
    help: 'Messages that the worker holds unacknowledged: waiting, running and settling.',
    registers,
    collect() {
      this.set(worker.health().held)
    },
  })
  new Gauge({
    name: 'warren_consumer_up',
    help: '1 for each queue that is consumed, 0 for one that should be and is not.',
    labelNames: ['queue'],
    registers,
    collect() {
      for (const { queue, state } of worker.health().queues) this.set({ queue }, state === 'consuming' ? 1 : 0)
    },
  })
  worker.on('attemptFinished', ({ task, queue, outcome, durationMs }) => {
    attempts.inc({ task, queue, outcome })
    duration.observe({ task }, durationMs / 1000)
  })
  worker.on('attemptSettled', ({ task, queue, settled: how, settleMs }) => {
    settled.inc({ task, queue, settled: how })
    settle.observe({ task }, settleMs / 1000)
  })
  worker.on('deadLettered', ({ task, queue, reason }) => deadLettered.inc({ task, queue, reason }))
  worker.on('settleDelayed', ({ task, waitingFor }) => delayed.inc({ task, waiting_for: waitingFor }))
  return registry
}
