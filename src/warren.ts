/**
 * `connect()` and the object that it returns: sending, results, and the creation of workers. It owns the publishing connection
 * and the store's; each worker has its own consuming connection.
 */
import { randomUUID } from 'node:crypto'
import { parseAddresses, vhostOf } from './amqp/address.js'
import type { Connection } from './amqp/connection.js'
import { Connections } from './amqp/connections.js'
import { CONNECT_CHECKS, CONNECT_DEFAULTS, type ConnectOptions } from './connectOptions.js'
import {
  type CancelKey,
  type Cancellation,
  type CancelOptions,
  type CancelScope,
  Control,
  type PausedQueue,
  type PauseQueueOptions,
  type ScopeCancellation,
} from './control/control.js'
import type { Limits } from './control/limits.js'
import { DeadLetters, type DeadLettersOptions } from './deadLetters/deadLetters.js'
import { ClosedError, NoResultStoreError } from './errors/index.js'
import { Flows } from './flow/flows.js'
import { ContainedEmitter, containedLogger, problemLog, type ReportProblem } from './observe/contained.js'
import type { WarrenEvents } from './observe/events.js'
import { jsonLogger } from './observe/jsonLogger.js'
import { logWarren, logWorker } from './observe/logging.js'
import type { Sending } from './observe/producerMetrics.js'
import { defaults, settleOptions } from './options.js'
import { History } from './results/history.js'
import { makeResults } from './results/makeResults.js'
import type { Results } from './results/store.js'
import type { AllEvents, AllEventsOptions } from './send/allEvents.js'
import { Delayed } from './send/delayed.js'
import type { EventsOptions, Handle, TaskEvents } from './send/handle.js'
import type { PreparedMessage } from './send/prepared.js'
import { Producer } from './send/producer.js'
import { checkHandled, type PublishPreparedOptions, Sender, type SendOptions } from './send/sender.js'
import { sendingOf } from './send/sending.js'
import { type SendManyOptions, type SendManySummary, sendMany } from './send/sendMany.js'
import { type Logger, silentLogger } from './task/logger.js'
import { checkTask, type Task, type TaskOutput } from './task/task.js'
import { localClock, StoreClock } from './time/clock.js'
import { DelayRoutes } from './time/delayRoutes.js'
import { makeSchedules } from './time/makeSchedules.js'
import { scheduledServices } from './time/scheduleStore.js'
import type { Schedules } from './time/schedules.js'
import type { SchedulesOptions } from './time/schedulesOptions.js'
import { replyChannel } from './wire/names.js'
import type { StoredResult } from './wire/resultFormat.js'
import { Worker } from './work/worker.js'
import type { WorkerOptions } from './work/workerOptions.js'

/** Connects to the broker and the store. Throws `OptionsError`, `BrokerUnreachableError`, `AccessRefusedError`, `StoreUnreachableError`. */
export async function connect(options: ConnectOptions): Promise<Warren> {
  const warren = new Warren(options)
  await warren.open()
  return warren
}

export class Warren extends ContainedEmitter<WarrenEvents> {
  /** Sets limits while workers run, and lists them. */
  readonly limits: Limits
  /** Starts tasks that depend on each other. */
  readonly flows: Flows
  /** How tasks ended, to be searched. */
  readonly history: History
  readonly #options: { readonly [Key in keyof typeof CONNECT_DEFAULTS]: NonNullable<ConnectOptions[Key]> }
  readonly #connections: Connections
  readonly #log: Logger
  readonly #report: ReportProblem
  readonly #producerId = randomUUID()
  readonly #publishing: Connection
  readonly #producer: Producer
  readonly #delays: DelayRoutes
  readonly #results: Results | undefined
  readonly #storeClock: StoreClock | undefined
  readonly #control: Control
  readonly #sender: Sender
  readonly #workers = new Set<Worker>()
  #closing: Promise<void> | undefined

  /** Does no I/O. Use `connect()`. */
  constructor(options: ConnectOptions) {
    super()
    const settled = settleOptions('connect', options, CONNECT_CHECKS, CONNECT_DEFAULTS, ['broker'])
    const { broker, results, logger, resultTtlMs } = settled
    this.#options = settled
    const addresses = parseAddresses('connect: broker', broker)
    this.#log = logger === false ? silentLogger : containedLogger(logger ?? jsonLogger())
    this.#report = problemLog(this.#log)
    this.reportProblemsTo(this.#report)
    this.#connections = new Connections(addresses, settled, (event, value) => this.tell(event, value as never))
    this.#publishing = this.#connections.make('publish')
    this.#producer = this.#makeProducer().on('confirmed', (event) => this.tell('confirmed', event))
    const vhost = vhostOf(addresses)
    this.#results = makeResults(settled, { producerId: this.#producerId, vhost })
    this.history = new History(this.#results, vhost)
    this.#delays = new DelayRoutes(this.#publishing)
    this.#storeClock = this.#results && new StoreClock(this.#results.time)
    const of = { vhost, resultTtlMs, log: this.#log }
    const clock = this.#storeClock ?? localClock
    this.#control = new Control({ ...of, results: this.#results, clock })
    this.limits = this.#control.limits
    const to = { producer: this.#producer, connection: this.#publishing, routes: this.#delays, clock }
    const replyTo = replyChannel(this.#producerId)
    const sending = { ...settled, ...of, ...to, results: this.#results, control: this.#control }
    this.flows = new Flows({ ...sending, replyTo, tell: (event, value) => this.tell(event, value as never) })
    const lanes = { broker: () => this.#publishing.broker, delayed: new Delayed(to), packs: true }
    this.#sender = new Sender({ ...sending, ...lanes, replyTo: results && replyTo })
    this.#results?.on('storeState', (event) => {
      this.tell('storeState', event)
      // A different server may answer now, with its own clock.
      if (event.state === 'available') void this.#storeClock?.measure()
    })
    this.#results?.on('resultsRestored', (event) => this.tell('resultsRestored', event))
    logWarren(this, this.#log)
  }

  /** Called by `connect()`. */
  async open(): Promise<void> {
    try {
      await Promise.all([this.#publishing.open(), this.#results?.open()])
      await this.#storeClock?.measure()
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /**
   * Sends one task and resolves on the broker's confirm: from then on the message is in its queue, on disk for a quorum queue.
   * A delayed message waits in the broker, on disk. Throws `OptionsError`, `InputError`, `PayloadTooLargeError`,
   * `UnroutableError`, `UnconfirmedError`, `DelaysMissingError`.
   */
  send<Input, Parsed, Output, Returned>(
    task: Task<Input, Parsed, Output, Returned>,
    input: NoInfer<Input>,
    options?: SendOptions,
  ): Promise<Handle<Output>> {
    return this.#sender.send(task, input, options)
  }

  /**
   * Sends one task for each input, in order, with a bounded number in flight: a million inputs from a generator take the memory
   * of a thousand. Without `onFailed`, the first failure stops it, and it rejects once the sends in flight have ended.
   */
  async sendMany<Input, Parsed, Output, Returned>(
    task: Task<Input, Parsed, Output, Returned>,
    inputs: Iterable<NoInfer<Input>> | AsyncIterable<NoInfer<Input>>,
    options: SendManyOptions<Output, NoInfer<Input>> = {},
  ): Promise<SendManySummary> {
    checkTask('sendMany', task)
    const send = (input: Input, each: SendOptions | undefined) => this.#sender.send(task, input, each)
    const window = { window: this.#options.maxUnconfirmed, full: () => this.#producer.full, report: this.#report }
    return sendMany({ send, ...window }, inputs, options)
  }

  /**
   * Publishes a message of `prepare()`, from any process, and resolves on the broker's confirm. It may be published again: a
   * worker runs it unless the task is done. Throws `MessageError` for a record of a newer version, and the errors of `send`.
   */
  publishPrepared(message: PreparedMessage, options?: PublishPreparedOptions): Promise<void> {
    return this.#sender.publishPrepared(message, options)
  }

  /** The sends in progress. */
  get sending(): Sending {
    return sendingOf(this.#options.name, this.#producer, this.#publishing, this.#results)
  }

  /** The handle of a task that was sent earlier, by this process or another. */
  handle<T extends Task>(task: T, id: string): Handle<TaskOutput<T>> {
    checkHandled(task, id)
    return this.#sender.handle(task, id) as Handle<TaskOutput<T>>
  }

  /** The state of a task in the store, by its id alone; the same as `state()` of its handle. */
  state(id: string): Promise<StoredResult | undefined> {
    return this.#sender.state(id)
  }

  /** The events of a task, by its id alone; the same as `events()` of its handle, with the output as stored. */
  eventsOf(id: string, options?: EventsOptions): TaskEvents {
    return this.#sender.eventsOf(id, options)
  }

  /**
   * The events of all tasks whose results this store keeps, whoever sent or ran them: started, progress, retry, done. Live
   * only, starting at its first item or `ready()`. Throws `OptionsError`, `NoResultStoreError`, `ClosedError`.
   */
  events(options?: AllEventsOptions): AllEvents {
    return this.#sender.events(options)
  }

  /**
   * Cancels one task by its id, the task that holds a unique key, or all tasks of one name or tag sent until now. Throws
   * `OptionsError`, `NoResultStoreError`; `StoreUnreachableError` and `StoreRefusesError`, after which it may be repeated.
   */
  cancel(id: string, options?: CancelOptions): Promise<Cancellation>
  cancel(key: CancelKey, options?: CancelOptions): Promise<Cancellation | undefined>
  cancel(scope: CancelScope, options?: CancelOptions): Promise<ScopeCancellation>
  cancel(which: string | CancelScope | CancelKey, options?: CancelOptions) {
    return this.#control.cancel(which, options)
  }

  /** Pauses a queue, for all its workers, until it is resumed. Throws as `cancel` does. */
  pause(queue: string, options?: PauseQueueOptions): Promise<void> {
    return this.#control.pause(queue, options)
  }

  /** Ends a pause. Returns whether there was one. */
  resume(queue: string): Promise<boolean> {
    return this.#control.resume(queue)
  }

  /** The queues that are paused. */
  paused(): Promise<PausedQueue[]> {
    return this.#control.paused()
  }

  /** Creates a worker with its own consuming connection. Does no I/O until `start()`. Throws `OptionsError`, `ClosedError`. */
  worker(options: WorkerOptions): Worker {
    if (this.#closing !== undefined) throw new ClosedError('The connection')
    const consuming = this.#connections.make('consume')
    const worker: Worker = new Worker(options, {
      ...{ consuming, publishing: this.#publishing, delays: this.#delays, results: this.#results },
      ...{ makeProducer: () => this.#makeProducer(), clock: this.#storeClock ?? localClock },
      ...{ control: this.#control.watch(), cancel: (id) => this.#control.cancelId(id), flows: this.flows },
      ...{ confirmTimeoutMs: this.#options.confirmTimeoutMs, log: this.#log },
      onStopped: async () => {
        this.#workers.delete(worker)
        await consuming.close()
      },
    })
    this.#workers.add(worker)
    logWorker(worker, this.#log)
    return worker
  }

  /** The dead letters of a domain, or of a queue by its name. Does no I/O; each of its methods opens its own connection. */
  deadLetters(options: DeadLettersOptions): DeadLetters {
    return new DeadLetters(options, {
      connect: async () => {
        if (this.#closing !== undefined) throw new ClosedError('The connection')
        return this.#connections.open('consume')
      },
      producer: this.#producer,
      results: this.#results,
      confirmTimeoutMs: this.#options.confirmTimeoutMs,
      log: this.#log,
    })
  }

  /** The schedules of a service. Does no I/O. Throws `OptionsError`, `NoResultStoreError`. */
  schedules(options: SchedulesOptions = {}): Schedules {
    if (this.#results === undefined) throw new NoResultStoreError()
    const services = new Set([...this.#workers].map(({ service }) => service))
    return makeSchedules(options, services, {
      ...{ ...this.#options, results: this.#results, connection: this.#publishing, routes: this.#delays },
      publish: (publication) => this.#producer.publish(publication),
    })
  }

  /** The services that have schedules. Throws `NoResultStoreError`, `StoreUnreachableError`, `StoreRefusesError`. */
  async scheduledServices(): Promise<string[]> {
    if (this.#results === undefined) throw new NoResultStoreError()
    return scheduledServices(this.#results)
  }

  /** Stops the workers, waits for unconfirmed messages, and closes. Safe to call twice. */
  async close(): Promise<void> {
    this.#sender.close()
    this.#closing ??= this.#close()
    await this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    await Promise.all([...[...this.#workers].map((worker) => worker.stop()), this.#connections.closeOpened()])
    // Messages without a confirm deadline do not prevent the process from ending.
    const { confirmTimeoutMs } = this.#options
    await this.#producer.flush(Number.isFinite(confirmTimeoutMs) ? undefined : defaults.confirmTimeoutMs)
    this.#producer.close()
    await this.#publishing.close()
    this.#storeClock?.close()
    this.#control.close()
    this.#results?.close()
  }

  /** One producer for this object's sends, and one for each worker: each has its own channel. */
  #makeProducer(): Producer {
    const producer = new Producer(this.#publishing, this.#options)
    producer.on('republished', (event) => this.tell('republished', event))
    return producer
  }
}
