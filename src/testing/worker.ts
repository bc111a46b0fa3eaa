/**
 * A worker of an in-memory Warren. It takes messages from the in-memory broker; the attempt, its gates and its settling are the
 * same as in every worker. Time limits and delays use the test's clock.
 */
import type { Connection } from '../amqp/connection.js'
import { declarationsOf } from '../amqp/declare.js'
import type { Control } from '../control/control.js'
import { noteDeclared } from '../control/limits.js'
import type { ControlWatch } from '../control/watch.js'
import { ClosedError, OptionsError } from '../errors/index.js'
import type { Flows, FlowWorks } from '../flow/flows.js'
import type { IsolatedHandler } from '../isolate/isolatePool.js'
import { problemLog, type ReportProblem } from '../observe/contained.js'
import type { WorkerState } from '../observe/events.js'
import type { WorkerHealth } from '../observe/health.js'
import type { Results } from '../results/store.js'
import type { BatchHandler, Handler } from '../task/handler.js'
import type { Logger } from '../task/logger.js'
import type { Task } from '../task/task.js'
import { planService } from '../task/topology.js'
import type { DelayRoutes } from '../time/delayRoutes.js'
import { dueAt } from '../time/due.js'
import { pause } from '../timers.js'
import { Attempt, type RegisteredHandler } from '../work/attempt.js'
import { AttemptReports } from '../work/attemptReports.js'
import type { BatchOptions } from '../work/batcher.js'
import { CanvasMembers } from '../work/canvasMembers.js'
import { DeadLettering } from '../work/deadLettering.js'
import { Delivery, type DeliveryQueue, queueOf } from '../work/delivery.js'
import { Duplicates } from '../work/duplicates.js'
import { FlowMembers } from '../work/flowMembers.js'
import { Handlers } from '../work/handlers.js'
import { staysHere } from '../work/ordered.js'
import { Registrations } from '../work/registrations.js'
import { Settler } from '../work/settler.js'
import { Worker } from '../work/worker.js'
import { settleWorkerOptions, type WorkerOptions } from '../work/workerOptions.js'
import { type MemoryBroker, memoryProducer } from './broker.js'
import type { TestClock } from './clock.js'
import { tickerOf } from './ticker.js'
import { limitTime, withoutTimeLimits } from './timeLimits.js'
import { TestTokens } from './tokens.js'

export interface TestWorkerDependencies {
  readonly broker: MemoryBroker
  readonly clock: TestClock
  readonly connection: Connection
  readonly routes: DelayRoutes
  readonly results: Results
  readonly control: Control
  readonly flows: Flows
  readonly confirmTimeoutMs: number
  readonly log: Logger
  readonly onStopped: () => void
}

export class TestWorker extends Worker {
  readonly #dependencies: TestWorkerDependencies
  readonly #options: ReturnType<typeof settleWorkerOptions>
  readonly #handlers = new Handlers()
  readonly #registrations: Registrations
  readonly #report: ReportProblem
  readonly #watch: ControlWatch
  readonly #settler: Settler
  readonly #reports: AttemptReports
  readonly #duplicates: Duplicates
  readonly #tokens: TestTokens
  readonly #active = new Set<Attempt>()
  readonly #notDue = new Map<Delivery, () => void>()
  readonly #leave: (() => void)[] = []
  readonly #queues: DeliveryQueue[] = []
  readonly #inOrder = new Set<string>()
  #running = 0
  #state: WorkerState = 'idle'

  constructor(options: WorkerOptions, dependencies: TestWorkerDependencies) {
    const { broker, clock, connection, routes, results, control, flows, confirmTimeoutMs, log } = dependencies
    const producer = memoryProducer(broker)
    const watch = control.watch() as ControlWatch
    super(options, {
      ...{ consuming: connection, publishing: connection, delays: routes, results, control: watch },
      ...{ makeProducer: () => producer, clock, confirmTimeoutMs, log, onStopped: async () => undefined },
    })
    this.#dependencies = dependencies
    this.#options = settleWorkerOptions(options)
    this.#report = problemLog(log)
    this.#watch = watch
    this.#duplicates = new Duplicates(results)
    this.#reports = new AttemptReports(
      (event, ...values) => this.tell(event, ...values),
      (event) => this.listenerCount(event) > 0,
      clock,
    )
    const publish = producer.publish.bind(producer)
    const works = flows.worksOf(publish) as FlowWorks
    const members = new FlowMembers(works, results)
    const canvas = new CanvasMembers(flows.canvasOf(publish), results)
    this.#settler = new Settler({
      ...{ producer, delays: routes, clock, results, confirmTimeoutMs, flows: members, canvas },
      ...{ deadLettering: new DeadLettering(connection, producer, confirmTimeoutMs), beforeAck: () => undefined },
      onDelayed: (attempt, waitingFor, error) => this.#reports.settleDelayed(attempt, waitingFor, error),
      onDeadLettered: (...given) => this.#reports.deadLettered(...given),
    })
    const { concurrency, deliveryLimit } = this.#options
    this.#registrations = new Registrations({
      ...{ results, duplicates: this.#duplicates, clock, control: watch, deliveryLimit, log, report: this.#report },
      ...{ cancel: (id) => control.cancelId(id), flows: members },
      // Its limit is measured here, by the test's clock.
      handlers: withoutTimeLimits(this.#handlers.all),
      free: () => concurrency - this.#running,
      onLimited: (attempt, limited) => this.#reports.limited(attempt, limited),
      startTimer: clock.startTimer,
    })
    const { service } = this
    const ticker = tickerOf(service, dependencies, producer, {
      onTick: (tick) => this.tell('tick', tick),
      onDelayed: (schedule, error) => this.#report(`schedule ${schedule}`, error),
    })
    const deliver = (message: Delivery['message'], name: string) =>
      this.#delivery(message, { name, type: 'quorum', task: name })
    this.#tokens = new TestTokens({ service, broker, ticker, works, report: this.#report, deliver })
  }

  override get state(): WorkerState {
    return this.#state
  }

  /** Whether it has any work in progress apart from handlers, which may wait for the clock. */
  get busy(): boolean {
    return this.#tokens.busy || [...this.#active].some(({ running, beganAt }) => !running || beganAt === undefined)
  }

  get running(): number {
    return this.#running
  }

  override handle<Input, Parsed, Output, Returned>(
    task: Task<Input, Parsed, Output, Returned>,
    handler: Handler<Parsed, NoInfer<Returned>> | IsolatedHandler,
  ): this {
    this.#handlers.add(this.#where('handle'), task as Task, handler as Handler | IsolatedHandler, true)
    return this
  }

  override handleBatch<Input, Parsed, Output, Returned>(
    task: Task<Input, Parsed, Output, Returned>,
    handler: BatchHandler<Parsed, NoInfer<Returned>>,
    options: BatchOptions,
  ): this {
    const about = { concurrency: this.concurrency, hasStore: true, report: this.#report }
    this.#handlers.addBatch(this.#where('handleBatch'), task as Task, handler as BatchHandler, options, about)
    return this
  }

  override async start(): Promise<void> {
    if (this.#state === 'draining' || this.#state === 'stopped') throw new ClosedError('The worker')
    if (this.#state !== 'idle') throw new OptionsError('worker.start', ['expected to be called once'])
    if (this.#handlers.all.size === 0) throw new OptionsError('worker.start', ['expected handle() to be called first'])
    this.#to('starting')
    const { broker } = this.#dependencies
    await this.#watch.start()
    await noteDeclared(this.#dependencies.results, this.#watch.vhost, this.#handlers.tasks)
    for (const declaration of declarationsOf(planService(this.service, this.#handlers.tasks))) {
      const queue = queueOf(declaration)
      this.#queues.push(queue)
      broker.bind(queue.name, declaration.binding)
      this.#leave.push(
        broker.consume(queue.name, () => this.#take(queue)),
        this.#watch.onChange(() => this.#take(queue)),
      )
      this.tell('consumerState', { queue: queue.name, state: 'consuming' })
    }
    this.#leave.push(...this.#tokens.start())
    this.#to('running')
    this.#takeAll()
  }

  override async stop(options: { readonly gracePeriodMs?: number | undefined } = {}): Promise<void> {
    const { gracePeriodMs = this.#options.gracePeriodMs } = options
    if (this.#state === 'stopped' || this.#state === 'draining') return
    this.#to('draining')
    for (const leave of this.#leave.splice(0)) leave()
    for (const [delivery, cancel] of this.#notDue) {
      cancel()
      delivery.giveBack()
    }
    this.#tokens.close()
    this.#handlers.drain()
    if (gracePeriodMs > 0 && this.#active.size > 0) await this.#idleWithin(gracePeriodMs)
    for (const { delivery } of this.#active) delivery.giveBack(new ClosedError('The worker'))
    this.#settler.close()
    this.#registrations.close()
    await this.#handlers.close()
    this.#to('stopped')
    this.#dependencies.onStopped()
    await this.told()
  }

  override health(): WorkerHealth {
    const ready = this.#state === 'running'
    const queues = this.#queues.map(({ name: queue }) => {
      const paused = this.#watch.board.pauseOf(queue) !== undefined
      return { queue, state: !ready ? 'stopped' : paused ? 'paused' : 'consuming' } as const
    })
    return {
      ...{ ready, state: this.#state, connections: { consume: 'open', publish: 'open' }, store: 'available' },
      ...{ queues, running: this.#running, held: this.#active.size + this.#notDue.size, problems: [] },
    }
  }

  /** Throws once it is too late for this. */
  #where(call: string): string {
    if (this.#state === 'idle') return `worker.${call}`
    throw new OptionsError(`worker.${call}`, ['expected to be called before start()'])
  }

  #to(state: WorkerState): void {
    this.#state = state
    this.tell('workerState', { state })
  }

  async #idleWithin(ms: number): Promise<void> {
    for (const endsAt = performance.now() + ms; this.#active.size > 0 && performance.now() < endsAt; ) await pause(1)
  }

  #takeAll(): void {
    for (const queue of this.#queues) this.#take(queue)
    this.#tokens.take()
  }

  /** Takes messages from the queue while there is room. */
  #take(queue: DeliveryQueue): void {
    const { broker, clock } = this.#dependencies
    const messages = broker.messages(queue.name)
    while (this.#state === 'running' && this.#watch.board.pauseOf(queue.name) === undefined) {
      if (this.#running >= this.concurrency || this.#inOrder.has(queue.name)) return
      const next = messages.shift()
      if (next === undefined) return
      const delivery = this.#delivery(next.message, queue)
      if (queue.ordered === true) this.#inOrder.add(queue.name)
      this.#duplicates.lookUp(delivery)
      const { envelope } = delivery
      const due = envelope === undefined ? 0 : dueAt(envelope.eta, next.message.properties.headers)
      const expires = envelope?.expires?.getTime() ?? Number.POSITIVE_INFINITY
      if (due > clock.now() && expires > clock.now()) this.#hold(delivery, due)
      else void this.#attempt(delivery)
    }
  }

  #delivery(message: Delivery['message'], queue: DeliveryQueue): Delivery {
    const giveBack = (): void => this.#dependencies.broker.requeue(queue.name, message)
    const settlement = { ack: () => undefined, giveBack, nearlyFull: false }
    return new Delivery(message, queue, settlement, () => this.#inOrder.delete(queue.name))
  }

  /** Messages that are not due do not count towards the concurrency. */
  #hold(delivery: Delivery, due: number): void {
    const cancel = this.#dependencies.clock.at(due, () => {
      this.#notDue.delete(delivery)
      void this.#attempt(delivery)
    })
    this.#notDue.set(delivery, cancel)
  }

  async #keep(delivery: Delivery, until: Promise<unknown>): Promise<void> {
    this.#notDue.set(delivery, () => undefined)
    this.#takeAll()
    await until
    if (this.#notDue.delete(delivery) && delivery.held) void this.#attempt(delivery)
  }

  async #attempt(delivery: Delivery): Promise<void> {
    const { clock } = this.#dependencies
    const registered = this.#handlers.all.get(delivery.queue.task) as RegisteredHandler
    const attempt = new Attempt(delivery, this.#registrations.of(delivery.queue))
    this.#active.add(attempt)
    this.#running++
    this.#reports.started(attempt)
    const stopTimer = limitTime(attempt, registered, clock)
    const outcome = await attempt.run()
    stopTimer()
    this.#running--
    this.#reports.finished(attempt, outcome)
    this.#registrations.placeFree()
    const stays = staysHere(attempt, outcome, { clock, startTimer: clock.startTimer, settler: this.#settler })
    if (stays !== undefined) {
      attempt.leave({ kind: 'returned' }, 'returned')
      this.#active.delete(attempt)
      return this.#keep(delivery, stays.until)
    }
    this.#takeAll()
    const finishedAt = performance.now()
    const { outcome: final, settled } = await this.#settler.settle(attempt, outcome)
    this.#active.delete(attempt)
    attempt.leave(final, settled)
    this.#reports.settled(attempt, final, settled, performance.now() - finishedAt)
    this.#takeAll()
  }
}
