/**
 * An in-memory Warren: what `connect()` returns, for tests, without a broker and a store. It is a `Warren`, so code
 * under test can use it unchanged. Sending, attempts, retries, dead letters, schedules, flows, cancelling, unique keys and
 * events are the library's own code; only the broker, the store's server and the clock are replaced.
 */
import { randomUUID } from 'node:crypto'
import type { Connection } from '../amqp/connection.js'
import {
  type CancelKey,
  type Cancellation,
  type CancelOptions,
  type CancelScope,
  Control,
  type PausedQueue,
  type PauseQueueOptions,
  type ScopeCancellation,
} from '../control/control.js'
import type { Limits } from '../control/limits.js'
import type { DeadLettersOptions } from '../deadLetters/deadLetters.js'
import { ClosedError } from '../errors/index.js'
import type { Flows, FlowsDependencies } from '../flow/flows.js'
import { containedLogger, problemLog } from '../observe/contained.js'
import type { Sending } from '../observe/producerMetrics.js'
import { defaults, is, settleOptions } from '../options.js'
import { History } from '../results/history.js'
import type { Results } from '../results/store.js'
import type { AllEvents, AllEventsOptions } from '../send/allEvents.js'
import { Delayed } from '../send/delayed.js'
import type { EventsOptions, Handle, TaskEvents } from '../send/handle.js'
import type { PreparedMessage } from '../send/prepared.js'
import type { Producer } from '../send/producer.js'
import { checkHandled, type PublishPreparedOptions, Sender, type SendOptions } from '../send/sender.js'
import { sendingOf } from '../send/sending.js'
import { type SendManyOptions, type SendManySummary, sendMany } from '../send/sendMany.js'
import { type LanedTask, lanesOf } from '../task/lanes.js'
import { isLogger, type Logger, silentLogger } from '../task/logger.js'
import { checkTask, type Task, type TaskInput, type TaskOutput } from '../task/task.js'
import { makeSchedules } from '../time/makeSchedules.js'
import { scheduledServices } from '../time/scheduleStore.js'
import type { Schedules } from '../time/schedules.js'
import type { SchedulesOptions } from '../time/schedulesOptions.js'
import { Warren } from '../warren.js'
import { commandsExchange, domainOf, replyChannel } from '../wire/names.js'
import type { StoredResult } from '../wire/resultFormat.js'
import type { WorkerOptions } from '../work/workerOptions.js'
import { MemoryBroker, MemoryRoutes, memoryConnection, memoryProducer } from './broker.js'
import { TestClock } from './clock.js'
import { TestDeadLetters } from './deadLetters.js'
import { memoryFlows } from './flows.js'
import { type SentTask, sentTaskOf } from './sent.js'
import { memoryResults } from './storeConnection.js'
import { TestWorker } from './worker.js'

export interface TestWarrenOptions {
  /** The initial time of the clock. Default: the current time. */
  readonly now?: Date | undefined
  /**
   * The services that count as started before, with the tasks that they handle, so that their queues exist: a task that no
   * queue takes is `UNROUTABLE`, as on a broker. A worker that is started here creates its own queues.
   */
  readonly services?: Readonly<Record<string, readonly LanedTask[]>> | undefined
  /** Default: none. */
  readonly logger?: Logger | undefined
}

const CHECKS = { now: is.date, services: is.record, logger: isLogger }
/** How long to wait for a handler's real work, in milliseconds, before it is assumed to wait for the clock. */
const HANDLER_MS = 20
const QUIET_TURNS = 4

/** Creates an in-memory Warren. Throws `OptionsError`. */
export async function testWarren(options: TestWarrenOptions = {}): Promise<TestWarren> {
  const warren = new TestWarren(options)
  await warren.open()
  return warren
}

export class TestWarren extends Warren {
  override readonly limits: Limits
  override readonly history: History
  override readonly flows: Flows
  readonly #clock: TestClock
  readonly #broker: MemoryBroker
  readonly #connection: Connection
  readonly #routes: MemoryRoutes
  readonly #producer: Producer
  readonly #results: Results
  readonly #control: Control
  readonly #sender: Sender
  readonly #log: Logger
  readonly #workers = new Set<TestWorker>()
  readonly #sent: SentTask[] = []
  #closed = false

  /** Use `testWarren()`. */
  constructor(options: TestWarrenOptions = {}) {
    const { now, services = {}, logger } = settleOptions('testWarren', options, CHECKS, {})
    super({ broker: 'amqp://memory', logger: logger ?? false })
    this.#log = logger === undefined ? silentLogger : containedLogger(logger)
    this.reportProblemsTo(problemLog(this.#log))
    this.#clock = new TestClock(now?.getTime() ?? Date.now())
    this.#broker = new MemoryBroker(this.#clock)
    this.#connection = memoryConnection(this.#broker)
    this.#routes = new MemoryRoutes(this.#broker, this.#connection)
    this.#producer = memoryProducer(this.#broker, (publication) => {
      this.#sent.push(sentTaskOf(publication))
      const { id, exchange, routingKey } = publication
      this.tell('confirmed', { id, exchange, routingKey, latencyMs: 0 })
    })
    const { resultTtlMs, confirmTimeoutMs, maxMessageBytes } = defaults
    const producerId = randomUUID()
    const replyTo = replyChannel(producerId)
    const clock = this.#clock
    this.#results = memoryResults(clock, producerId)
    this.history = new History(this.#results, '/')
    this.#control = new Control({ results: this.#results, vhost: '/', clock, resultTtlMs, log: this.#log })
    this.limits = this.#control.limits
    const parts = { results: this.#results, control: this.#control, replyTo }
    const to = { producer: this.#producer, routes: this.#routes, connection: this.#connection, clock }
    this.#sender = new Sender({ ...parts, ...to, confirmTimeoutMs, maxMessageBytes, delayed: new Delayed(to) })
    const tell: FlowsDependencies['tell'] = (event, value) => this.tell(event, value as never)
    this.flows = memoryFlows(this.#broker, { ...parts, ...to, tell })
    for (const [service, tasks] of Object.entries(services)) for (const task of tasks) this.#bind(service, task)
  }

  /** Called by `testWarren()`. */
  override async open(): Promise<void> {
    await this.#results.open()
  }

  get now(): Date {
    return new Date(this.#clock.now())
  }

  /** All tasks sent here, in order; for one task, with its input's type. Without those of schedules, retries and redrives. */
  sent(): readonly SentTask[]
  sent<T extends Task>(task: T): readonly SentTask<TaskInput<T>>[]
  sent(task?: Task): readonly SentTask[] {
    if (task !== undefined) checkTask('sent', task)
    return this.#sent.filter(({ name }) => task === undefined || name === task.name)
  }

  /** Clears the list of sent tasks. */
  forgetSent(): void {
    this.#sent.length = 0
  }

  /**
   * Advances the clock and runs everything that becomes due, in order: retries, delayed tasks, ticks of schedules, time limits.
   * Resolves when nothing is running except handlers that wait for something else.
   */
  async advance(ms: number): Promise<void> {
    settleOptions('advance', { ms }, { ms: is.duration(0) }, {})
    await this.#advanceTo(this.#clock.now() + ms)
  }

  /** The same, up to a date. A past date has no effect. */
  async advanceTo(instant: Date): Promise<void> {
    settleOptions('advanceTo', { instant }, { instant: is.date }, {})
    await this.#advanceTo(instant.getTime())
  }

  /** Resolves when nothing is running except handlers that wait for something else. The clock does not advance. */
  async idle(): Promise<void> {
    let quietFrom = performance.now()
    for (let quiet = 0; quiet < QUIET_TURNS; ) {
      await new Promise((resolve) => setImmediate(resolve))
      const workers = [...this.#workers]
      const busy = workers.some((worker) => worker.busy)
      const working = workers.some(({ running }) => running > 0)
      if (busy) quietFrom = performance.now()
      if (busy || (working && performance.now() - quietFrom < HANDLER_MS)) quiet = 0
      else quiet++
      // A handler that reads a file or asks another server takes real time.
      if (working && !busy) await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  override send<Input, Parsed, Output, Returned>(
    task: Task<Input, Parsed, Output, Returned>,
    input: NoInfer<Input>,
    options?: SendOptions,
  ): Promise<Handle<Output>> {
    return this.#sender.send(task, input, options)
  }

  override async sendMany<Input, Parsed, Output, Returned>(
    task: Task<Input, Parsed, Output, Returned>,
    inputs: Iterable<NoInfer<Input>> | AsyncIterable<NoInfer<Input>>,
    options: SendManyOptions<Output, NoInfer<Input>> = {},
  ): Promise<SendManySummary> {
    checkTask('sendMany', task)
    const send = (input: Input, each: SendOptions | undefined) => this.#sender.send(task, input, each)
    const window = { window: defaults.maxUnconfirmed, full: () => false, report: problemLog(this.#log) }
    return sendMany({ send, ...window }, inputs, options)
  }

  override publishPrepared(message: PreparedMessage, options?: PublishPreparedOptions): Promise<void> {
    return this.#sender.publishPrepared(message, options)
  }

  override handle<T extends Task>(task: T, id: string): Handle<TaskOutput<T>> {
    checkHandled(task, id)
    return this.#sender.handle(task, id) as Handle<TaskOutput<T>>
  }

  override get sending(): Sending {
    return sendingOf('test', this.#producer, this.#connection, this.#results)
  }

  override state(id: string): Promise<StoredResult | undefined> {
    return this.#sender.state(id)
  }

  override eventsOf(id: string, options?: EventsOptions): TaskEvents {
    return this.#sender.eventsOf(id, options)
  }

  override events(options?: AllEventsOptions): AllEvents {
    return this.#sender.events(options)
  }

  override cancel(id: string, options?: CancelOptions): Promise<Cancellation>
  override cancel(key: CancelKey, options?: CancelOptions): Promise<Cancellation | undefined>
  override cancel(scope: CancelScope, options?: CancelOptions): Promise<ScopeCancellation>
  override async cancel(which: string | CancelScope | CancelKey, options?: CancelOptions) {
    const cancelled = await this.#control.cancel(which, options)
    // Later sends get a later time than this.
    this.#clock.moveTo(this.#clock.now() + 1)
    return cancelled as Cancellation & ScopeCancellation
  }

  override pause(queue: string, options?: PauseQueueOptions): Promise<void> {
    return this.#control.pause(queue, options)
  }

  override resume(queue: string): Promise<boolean> {
    return this.#control.resume(queue)
  }

  override paused(): Promise<PausedQueue[]> {
    return this.#control.paused()
  }

  override worker(options: WorkerOptions): TestWorker {
    if (this.#closed) throw new ClosedError('The connection')
    const worker: TestWorker = new TestWorker(options, {
      ...{ broker: this.#broker, clock: this.#clock, connection: this.#connection, routes: this.#routes },
      ...{ results: this.#results, control: this.#control, flows: this.flows, log: this.#log },
      ...{ confirmTimeoutMs: defaults.confirmTimeoutMs, onStopped: () => void this.#workers.delete(worker) },
    })
    this.#workers.add(worker)
    return worker
  }

  override deadLetters(options: DeadLettersOptions): TestDeadLetters {
    return new TestDeadLetters(options, {
      ...{ broker: this.#broker, clock: this.#clock, producer: memoryProducer(this.#broker) },
      ...{ results: this.#results, confirmTimeoutMs: defaults.confirmTimeoutMs, log: this.#log },
    })
  }

  override schedules(options: SchedulesOptions = {}): Schedules {
    return makeSchedules(options, new Set([...this.#workers].map(({ service }) => service)), {
      ...{ connection: this.#connection, results: this.#results, routes: this.#routes },
      publish: (publication) => memoryProducer(this.#broker).publish(publication),
      ...{ confirmTimeoutMs: defaults.confirmTimeoutMs, maxMessageBytes: defaults.maxMessageBytes },
    })
  }

  override scheduledServices(): Promise<string[]> {
    return scheduledServices(this.#results)
  }

  override async close(): Promise<void> {
    this.#sender.close()
    if (this.#closed) return
    this.#closed = true
    await Promise.all([...this.#workers].map((worker) => worker.stop()))
    this.#control.close()
    this.#results.close()
    await super.close()
  }

  #bind(service: string, task: LanedTask): void {
    const exchange = commandsExchange(domainOf(task.name))
    for (const { queue, routingKey } of lanesOf(task, service)) this.#broker.bind(queue, { exchange, routingKey })
  }

  async #advanceTo(until: number): Promise<void> {
    await this.idle()
    for (let next = this.#clock.next; next !== undefined && next <= until; next = this.#clock.next) {
      this.#clock.moveTo(next)
      await this.idle()
    }
    this.#clock.moveTo(until)
    await this.idle()
  }
}
