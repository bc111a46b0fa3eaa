/** What a worker answers to `celery inspect` and `celery control`, in the shapes of Celery's own (celery/worker/control.py). */
import { redacted } from '../amqp/address.js'
import type { Connection } from '../amqp/connection.js'
import type { ControlWatch } from '../control/watch.js'
import { textOf } from '../errors/index.js'
import type { Task } from '../task/task.js'
import { idsIn } from '../wire/celeryRemote.js'
import { commandsExchange, domainOf } from '../wire/names.js'
import type { AttemptReports } from './attemptReports.js'
import type { CeleryEvents } from './celeryEvents.js'
import { activeInfo, scheduledInfo, type TaskInfo, taskInfo } from './celeryInventory.js'
import type { Consumer } from './consumer.js'
import type { Dispatcher } from './dispatcher.js'

export interface CeleryCommandsOptions {
  readonly service: string
  readonly concurrency: number
  readonly tasks: readonly Task[]
  /** Of tasks. */
  readonly consumers: () => readonly Consumer[]
  readonly connection: Connection
  readonly dispatcher: Pick<Dispatcher, 'inventory'>
  readonly reports: AttemptReports
  readonly control?: ControlWatch | undefined
  /** Undefined without a store. */
  readonly cancel?: ((id: string) => Promise<unknown>) | undefined
  readonly events: CeleryEvents
  readonly node: () => string
  readonly clock: () => number
}

type Arguments = Readonly<Record<string, unknown>>

/** How many ids `revoked` lists. */
const MAX_REVOKED = 10_000

export class CeleryCommands {
  readonly #options: CeleryCommandsOptions
  readonly #startedAt = performance.now()
  readonly #all: Readonly<Record<string, (given: Arguments) => unknown>> = {
    ping: () => ({ ok: 'pong' }),
    clock: () => ({ clock: this.#options.clock() }),
    stats: () => this.#stats(),
    conf: () => this.#conf(),
    active: () => this.#active(),
    reserved: () => this.#reserved(),
    scheduled: () => this.#scheduled(),
    registered: () => this.#options.tasks.map(({ name }) => name).sort(),
    active_queues: () => this.#queues(),
    revoked: () => this.#options.control?.board.ids(MAX_REVOKED) ?? [],
    query_task: ({ ids }) => this.#query(idsIn(ids)),
    revoke: ({ task_id: ids }) => this.#revoke(idsIn(ids)),
    terminate: ({ task_id: ids }) => this.#revoke(idsIn(ids)),
    heartbeat: () => this.#options.events.heartbeat(),
    enable_events: () => ({ ok: `task events ${this.#options.events.enable() ? '' : 'already '}enabled` }),
    disable_events: () => ({ ok: `task events ${this.#options.events.disable() ? '' : 'already '}disabled` }),
  }

  constructor(options: CeleryCommandsOptions) {
    this.#options = options
  }

  /** The answer; `known` is false for what no worker of Warren does. Never rejects. */
  async run(method: string, given: Arguments): Promise<{ readonly known: boolean; readonly answer: unknown }> {
    // Celery's older names of some.
    const name = OLD_NAMES[method] ?? method
    const command = Object.hasOwn(this.#all, name) ? this.#all[name] : undefined
    if (command === undefined) return { known: false, answer: { error: `Warren's workers do not know ${name}` } }
    try {
      return { known: true, answer: (await command(given)) ?? null }
    } catch (error) {
      return { known: true, answer: { error: textOf(error) } }
    }
  }

  #active(): TaskInfo[] {
    return this.#options.dispatcher.inventory().active.map((attempt) => activeInfo(attempt, this.#options.node()))
  }

  #reserved(): TaskInfo[] {
    return this.#options.dispatcher.inventory().ready.map((delivery) => taskInfo(delivery, this.#options.node()))
  }

  #scheduled(): TaskInfo[] {
    return this.#options.dispatcher.inventory().waiting.map((delivery) => scheduledInfo(delivery, this.#options.node()))
  }

  #query(ids: readonly string[]): Readonly<Record<string, readonly [string, TaskInfo]>> {
    const { dispatcher, node } = this.#options
    const { active, ready, waiting } = dispatcher.inventory()
    const wanted = new Set(ids)
    const found: Record<string, readonly [string, TaskInfo]> = {}
    for (const delivery of [...ready, ...waiting]) {
      if (wanted.has(delivery.id ?? '')) found[delivery.id ?? ''] = ['reserved', taskInfo(delivery, node())]
    }
    for (const attempt of active) {
      if (wanted.has(attempt.id)) found[attempt.id] = ['active', activeInfo(attempt, node())]
    }
    return found
  }

  /** For all workers and over restarts, since the store keeps it; one that runs has its signal aborted. */
  async #revoke(ids: readonly string[]): Promise<unknown> {
    const { cancel, control } = this.#options
    if (cancel === undefined)
      return { error: 'Warren cancels tasks where there is a result store, and this worker has none' }
    const known = new Set(control?.board.ids(MAX_REVOKED))
    // Every worker is asked, and one is enough: whoever has heard of it already leaves it.
    await Promise.all(ids.filter((id) => !known.has(id)).map((id) => cancel(id)))
    return { ok: `tasks ${ids.join(', ')} flagged as revoked` }
  }

  #queues(): unknown[] {
    return this.#options.consumers().map(({ queue: { name, task, type } }) => {
      const exchange = { name: commandsExchange(domainOf(task)), type: 'topic', durable: true, auto_delete: false }
      return {
        ...{ name, exchange, routing_key: task, durable: true, exclusive: false, auto_delete: false, no_ack: false },
        ...{ queue_arguments: { 'x-queue-type': type }, alias: null, bindings: [], no_declare: null },
        ...{ expires: null, message_ttl: null, max_length: null, max_length_bytes: null, max_priority: null },
        ...{ binding_arguments: null, consumer_arguments: null },
      }
    })
  }

  #stats(): unknown {
    const { concurrency, consumers, connection, reports, clock } = this.#options
    const { hostname, port, username, vhost, protocol } = connection.address
    const { userCPUTime, systemCPUTime, maxRSS, ...usage } = process.resourceUsage()
    return {
      total: Object.fromEntries(reports.ended),
      pid: process.pid,
      clock: String(clock()),
      uptime: Math.round((performance.now() - this.#startedAt) / 1000),
      pool: {
        ...{ implementation: 'warren', 'max-concurrency': concurrency, processes: [process.pid] },
        ...{ 'max-tasks-per-child': 'N/A', 'put-guarded-by-semaphore': false, timeouts: [0, 0] },
      },
      broker: {
        ...{ transport: 'amqp', hostname, port, userid: username, virtual_host: vhost, ssl: protocol === 'amqps' },
        ...{ connect_timeout: null, heartbeat: null, login_method: 'PLAIN', uri_prefix: null, insist: false },
        ...{ alternates: [], failover_strategy: 'round-robin', transport_options: {} },
      },
      prefetch_count: consumers().reduce((sum, { prefetch }) => sum + prefetch, 0),
      rusage: {
        ...{ utime: userCPUTime / 1e6, stime: systemCPUTime / 1e6, maxrss: maxRSS },
        ...{
          minflt: usage.minorPageFault,
          majflt: usage.majorPageFault,
          inblock: usage.fsRead,
          oublock: usage.fsWrite,
        },
        ...{ nvcsw: usage.voluntaryContextSwitches, nivcsw: usage.involuntaryContextSwitches },
      },
    }
  }

  #conf(): unknown {
    const { concurrency, connection, service } = this.#options
    return {
      ...{ broker_url: redacted(connection.address), warren_service: service, worker_concurrency: concurrency },
      ...{ task_protocol: 2, task_serializer: 'json', result_serializer: 'json', accept_content: ['json'] },
      ...{ task_acks_late: true, task_reject_on_worker_lost: true, worker_send_task_events: false },
      ...{ timezone: 'UTC', enable_utc: true },
    }
  }
}

const OLD_NAMES: Readonly<Record<string, string>> = {
  dump_conf: 'conf',
  dump_active: 'active',
  dump_reserved: 'reserved',
  dump_schedule: 'scheduled',
  dump_tasks: 'registered',
  dump_revoked: 'revoked',
}
