/**
 * Events for Celery's tools. Nothing is sent until somebody asks: every tool that watches says so over remote control, by
 * `heartbeat` when it begins (`celery events`) or `enable_events` every few seconds (Flower). When RabbitMQ returns one,
 * nobody listens any more, and all is quiet again.
 *
 *     silent ─heartbeat─▶ heartbeats ─enable_events─▶ task events, too
 *        ▲                    │                           │
 *        └──────── an event is returned: no queue ────────┘      `enable_events` is remembered
 *
 * The hot path has one field for this (`AttemptReports.observer`), which is empty while no task events are sent.
 */
import { loadavg } from 'node:os'
import { describeThrown } from '../errors/error.js'
import { memberOf } from '../kinds.js'
import type { Outcome } from '../task/outcome.js'
import { pythonRepr, SOFTWARE } from '../wire/celeryRemote.js'
import { CELERY_EVENTS } from '../wire/names.js'
import type { Attempt } from './attempt.js'
import type { AttemptObserver, AttemptReports } from './attemptReports.js'
import type { CeleryOutlet } from './celeryOutlet.js'
import type { Consumer } from './consumer.js'
import type { Delivery } from './delivery.js'
import type { Settled } from './settled.js'

export interface CeleryEventsOptions {
  readonly node: () => string
  readonly outlet: CeleryOutlet
  readonly reports: AttemptReports
  /** Of tasks. */
  readonly consumers: () => readonly Consumer[]
  readonly active: () => number
  /** A clock as Lamport's, one step on. */
  readonly tick: () => number
}

/** As Celery's own workers do. */
const HEARTBEAT_MS = 2_000

export class CeleryEvents implements AttemptObserver {
  readonly #options: CeleryEventsOptions
  readonly #received = (delivery: Delivery): void => this.#taskReceived(delivery)
  #timer: NodeJS.Timeout | undefined
  #tasks = false
  #listening = false

  constructor(options: CeleryEventsOptions) {
    this.#options = options
  }

  /** Somebody watches: begins with the heartbeats, or sends one now. */
  heartbeat(): void {
    if (this.#timer === undefined) {
      this.#say('worker-online', this.#state())
      this.#timer = setInterval(() => this.#beat(), HEARTBEAT_MS).unref()
    }
    this.#beat()
    this.#listen(this.#tasks)
  }

  /** False when they were on already. */
  enable(): boolean {
    const changed = !this.#tasks
    this.#tasks = true
    this.heartbeat()
    return changed
  }

  /** False when they were off already. */
  disable(): boolean {
    const changed = this.#tasks
    this.#tasks = false
    this.#listen(false)
    return changed
  }

  /** Nobody takes what is said. */
  unheard(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#listen(false)
  }

  /** The worker ends. */
  stop(): void {
    if (this.#timer !== undefined) this.#say('worker-offline', this.#state())
    this.unheard()
  }

  started(attempt: Attempt): void {
    this.#say('task-started', { uuid: attempt.id })
  }

  /** A retry is told before it is published: the next attempt may begin before this one is settled. */
  finished({ id: uuid }: Attempt, outcome: Outcome): void {
    if (outcome.kind === 'retried') this.#say('task-retried', { uuid, ...failure(outcome.error) })
  }

  settled(attempt: Attempt, outcome: Outcome, settled: Settled): void {
    if (settled !== 'acknowledged') return
    const uuid = attempt.id
    switch (outcome.kind) {
      case 'succeeded':
        this.#say('task-succeeded', { uuid, result: resultOf(outcome.result), runtime: attempt.durationMs / 1000 })
        break
      case 'deadLettered':
        if (outcome.reason === 'rejected') this.#say('task-rejected', { uuid, requeue: false })
        if (outcome.reason === 'expired') this.#say('task-revoked', revoked(uuid, { expired: true }))
        else this.#say('task-failed', { uuid, ...failure(outcome.error) })
        break
      case 'cancelled':
      case 'replaced':
      case 'limited':
        this.#say('task-revoked', revoked(uuid, { terminated: attempt.beganAt !== undefined }))
        break
      case 'retried':
      case 'held':
      case 'alreadyDone':
      case 'postponed':
      case 'returned':
        break
      default:
        outcome satisfies never
    }
  }

  #taskReceived({ id, envelope, queue }: Delivery): void {
    const { retries = 0, args = [], input = {}, rootId, parentId, eta, expires, task } = envelope ?? {}
    this.#say('task-received', {
      ...{ uuid: id ?? '?', name: task ?? queue.task, args: pythonRepr(args), kwargs: pythonRepr(input), retries },
      ...{ root_id: rootId ?? id ?? null, parent_id: parentId ?? null },
      ...{ eta: eta?.toISOString() ?? null, expires: expires?.toISOString() ?? null },
    })
  }

  #beat(): void {
    this.#say('worker-heartbeat', this.#state())
  }

  #listen(wanted: boolean): void {
    if (wanted === this.#listening) return
    this.#listening = wanted
    const { reports, consumers } = this.#options
    reports.observer = wanted ? this : undefined
    for (const consumer of consumers()) {
      // In front: what takes it up may start it at once.
      if (wanted) consumer.prependListener('delivery', this.#received)
      else consumer.off('delivery', this.#received)
    }
  }

  #state(): Readonly<Record<string, unknown>> {
    const { reports, active } = this.#options
    let processed = 0
    for (const count of reports.ended.values()) processed += count
    const load = loadavg().map((each) => Math.round(each * 100) / 100)
    return { freq: HEARTBEAT_MS / 1000, active: active(), processed, loadavg: load, ...SOFTWARE }
  }

  #say(type: string, fields: Readonly<Record<string, unknown>>): void {
    const { node, outlet, tick } = this.#options
    const hostname = node()
    outlet.say({
      exchange: CELERY_EVENTS,
      routingKey: type.replaceAll('-', '.'),
      body: {
        ...{ ...fields, type, hostname, timestamp: Date.now() / 1000, pid: process.pid, clock: tick() },
        // In whole hours, as Celery has it; the timestamp is UTC.
        utcoffset: Math.trunc(new Date().getTimezoneOffset() / 60),
      },
      headers: { hostname },
      mandatory: true,
    })
  }
}

function failure(error: unknown): { exception: string; traceback: string } {
  const { errorClass, message, traceback } = describeThrown(error)
  return { exception: `${errorClass}(${pythonRepr(message)})`, traceback: traceback ?? message }
}

const resultOf = (encoded: string): string => pythonRepr(memberOf(JSON.parse(encoded), 'result'))

const revoked = (uuid: string, { terminated = false, expired = false }) => ({ uuid, terminated, expired, signum: null })
