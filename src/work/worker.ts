/**
 * A worker: takes messages from the queues of its tasks, runs their handlers, at most `concurrency` at a time, and
 * settles what came of them. It owns one consumer for each task; what they deliver, the dispatcher has in hand.
 *
 *     idle ─start()─▶ starting ─▶ running ─stop()─▶ draining ─▶ stopped
 *
 * Draining: cancel the consumers, give back what has not started, wait for the rest up to the grace period, release what
 * is left to its queue, close. A message is never acknowledged by draining, only by being settled.
 */
import { withDeadline } from '../amqp/deadline.js'
import { declarationsOf, type QueueDeclaration } from '../amqp/declare.js'
import { Lifecycle } from '../amqp/lifecycle.js'
import { noteDeclared } from '../control/limits.js'
import { ClosedError, OptionsError, textOf } from '../errors/index.js'
import type { IsolatedHandler } from '../isolate/isolatePool.js'
import { ContainedEmitter, problemLog, type ReportProblem } from '../observe/contained.js'
import type { WorkerEvents, WorkerState } from '../observe/events.js'
import type { WorkerHealth } from '../observe/health.js'
import { defaults, is, settleOptions } from '../options.js'
import type { Producer } from '../send/producer.js'
import type { BatchHandler, Handler } from '../task/handler.js'
import type { Task } from '../task/task.js'
import { planService } from '../task/topology.js'
import { startTimer } from '../timers.js'
import { domainOf } from '../wire/names.js'
import { AttemptReports } from './attemptReports.js'
import type { BatchOptions } from './batcher.js'
import { CanvasMembers } from './canvasMembers.js'
import { CeleryNode } from './celeryNode.js'
import { Consumer } from './consumer.js'
import { DeadLettering } from './deadLettering.js'
import { Dispatcher } from './dispatcher.js'
import { Duplicates } from './duplicates.js'
import { FlowMembers } from './flowMembers.js'
import { Handlers } from './handlers.js'
import { Packs } from './packs.js'
import { Settler } from './settler.js'
import { Tokens } from './tokens.js'
import type { WorkerDependencies } from './workerDependencies.js'
import { healthOf, type ObservedParts, problemsOf } from './workerHealth.js'
import { settleWorkerOptions, type WorkerOptions } from './workerOptions.js'

/** What a running worker consists of, beside its consumers. */
interface Running {
  readonly dispatcher: Dispatcher
  readonly settler: Settler
  readonly deadLettering: DeadLettering
  readonly producer: Producer
  readonly tokens: Tokens
  /** Undefined where it is not wanted. */
  readonly celery: CeleryNode | undefined
}

/** How long the consumers get to stop at the broker: a frozen one answers never. */
const CANCEL_LIMIT_MS = 5_000

const STOP_CHECKS = { gracePeriodMs: is.duration(0, { forever: true }) }

const MOVES: Readonly<Record<WorkerState, readonly WorkerState[]>> = {
  idle: ['starting', 'stopped'],
  starting: ['running', 'draining'],
  running: ['draining'],
  draining: ['stopped'],
  stopped: [],
}

export class Worker extends ContainedEmitter<WorkerEvents> {
  readonly service: string
  readonly concurrency: number
  /** Fixed by the options, or undefined: it adapts. */
  readonly prefetch: number | undefined
  readonly #options: ReturnType<typeof settleWorkerOptions>
  readonly #dependencies: WorkerDependencies
  readonly #report: ReportProblem
  readonly #life: Lifecycle<WorkerState>
  readonly #handlers = new Handlers()
  #consumers: Consumer[] = []
  /** From `start()` on. */
  #running: Running | undefined
  #stopping: Promise<void> | undefined
  #graceEndsAt = Number.POSITIVE_INFINITY
  #cancelGrace: (() => void) | undefined
  #endGrace: (() => void) | undefined

  /** Does no I/O. Throws `OptionsError`. Made by `warren.worker()`. */
  constructor(options: WorkerOptions, dependencies: WorkerDependencies) {
    super()
    this.#options = settleWorkerOptions(options)
    this.service = this.#options.service
    this.concurrency = this.#options.concurrency
    this.prefetch = this.#options.prefetch
    this.#dependencies = dependencies
    this.#report = problemLog(dependencies.log)
    this.reportProblemsTo(this.#report)
    this.#life = new Lifecycle<WorkerState>('worker', 'idle', MOVES, (state, _from, reason) =>
      this.tell('workerState', { state, ...(reason === undefined ? {} : { reason }) }),
    )
  }

  get state(): WorkerState {
    return this.#life.state
  }

  /**
   * Registers the handler of a task: a function, or a module whose exported function runs in a thread or a child process.
   * Before `start()`; one handler for each task.
   */
  handle<Input, Parsed, Output, Returned>(
    task: Task<Input, Parsed, Output, Returned>,
    handler: Handler<Parsed, NoInfer<Returned>> | IsolatedHandler,
  ): this {
    this.#handlers.add(this.#idle('handle'), task as Task, handler as Handler | IsolatedHandler, this.#hasStore)
    return this
  }

  /** Registers a handler that takes several tasks at once; each ends in its own way. As `handle` otherwise. */
  handleBatch<Input, Parsed, Output, Returned>(
    task: Task<Input, Parsed, Output, Returned>,
    handler: BatchHandler<Parsed, NoInfer<Returned>>,
    options: BatchOptions,
  ): this {
    const about = { concurrency: this.concurrency, hasStore: this.#hasStore, report: this.#report }
    this.#handlers.addBatch(this.#idle('handleBatch'), task as Task, handler as BatchHandler, options, about)
    return this
  }

  /**
   * Declares and consumes. Resolves when every queue is taken up, or is away and will be taken up by itself later
   * (`health()` says which). Throws `QueueMismatchError`, `AccessRefusedError`, `OptionsError`, `ClosedError`.
   */
  async start(): Promise<void> {
    if (this.#life.in('draining', 'stopped')) throw new ClosedError('The worker')
    if (this.#life.state !== 'idle') throw new OptionsError('worker.start', ['expected to be called once'])
    if (this.#handlers.all.size === 0) throw new OptionsError('worker.start', ['expected handle() to be called first'])
    this.#life.to('starting')
    const { consuming, results, control } = this.#dependencies
    const { tasks } = this.#handlers
    const { dispatcher, deadLettering } = this.#begin()
    const declarations = declarationsOf(planService(this.service, tasks))
    this.#consumers = declarations.map((each) => this.#consumer(each, declarations.length, dispatcher))
    try {
      await dispatcher.prepare()
      if (results !== undefined) void noteDeclared(results, control?.vhost ?? '/', tasks)
      if (this.#options.declareDeadLetters) await deadLettering.declare(this.service, tasks)
      if (consuming.state === 'idle') await consuming.open()
      await Promise.all([
        deadLettering.look(tasks),
        ...this.#consumers.map((consumer) => (this.#life.in('starting') ? consumer.start() : undefined)),
      ])
    } catch (error) {
      const stopped = this.#stopping !== undefined
      await this.stop({ gracePeriodMs: 0 })
      throw stopped ? new ClosedError('The worker') : error
    }
    if (!this.#life.in('starting')) throw new ClosedError('The worker')
    this.#life.to('running')
    this.#running?.tokens.start()
    this.#running?.celery?.start()
    for (const problem of problemsOf(this.#observed)) this.#dependencies.log.warn({ service: this.service }, problem)
  }

  /**
   * Drains and closes; see the header. Safe unstarted and more than once: a later call with a shorter grace period
   * shortens that of an earlier one.
   */
  async stop(options: { readonly gracePeriodMs?: number | undefined } = {}): Promise<void> {
    const settled = settleOptions('worker.stop', options, STOP_CHECKS, {})
    this.#limitGrace(settled.gracePeriodMs ?? (this.#stopping === undefined ? this.#options.gracePeriodMs : Infinity))
    this.#stopping ??= this.#stop()
    await this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  health(): WorkerHealth {
    return healthOf(this.#observed)
  }

  get #observed(): ObservedParts {
    const { dispatcher, deadLettering } = this.#running ?? {}
    return {
      ...{ state: this.#life.state, consumers: this.#consumers, dispatcher, deadLettering },
      ...{ dependencies: this.#dependencies, tasks: this.#handlers.tasks },
      consumerTimeoutMs: this.#options.consumerTimeoutMs,
    }
  }

  get #hasStore(): boolean {
    return this.#dependencies.results !== undefined
  }

  /** Throws once it is too late for this. */
  #idle(call: string): string {
    if (this.#life.state === 'idle') return `worker.${call}`
    throw new OptionsError(`worker.${call}`, ['expected to be called before start()'])
  }

  /** Makes what a running worker consists of. */
  #begin(): Running {
    const { consuming, publishing, makeProducer, delays, clock, results, control, cancel, confirmTimeoutMs, log } =
      this.#dependencies
    const producer = makeProducer()
    const works = this.#dependencies.flows?.worksOf(producer.publish.bind(producer))
    const flows = works && results && new FlowMembers(works, results)
    const follows = this.#dependencies.flows?.canvasOf(producer.publish.bind(producer))
    const canvas = follows && new CanvasMembers(follows, results)
    const deadLettering = new DeadLettering(publishing, producer, confirmTimeoutMs)
    const reports = new AttemptReports(
      (event, ...values) => this.tell(event, ...values),
      (event) => this.listenerCount(event) > 0,
      clock,
    )
    const settler = new Settler({
      ...{ producer, deadLettering, results, confirmTimeoutMs, delays, clock, flows, canvas },
      beforeAck: (delivery) => dispatcher.beforeAck(delivery),
      onDelayed: (attempt, waitingFor, error) => {
        dispatcher.stuck(attempt, error)
        reports.settleDelayed(attempt, waitingFor, error)
      },
      onDeadLettered: (attempt, exchange, reason, error) => reports.deadLettered(attempt, exchange, reason, error),
    })
    const packs = new Packs({ producer, results, confirmTimeoutMs, ...reports.ofPacks() })
    const { concurrency, prefetch, deliveryLimit, celeryRemote } = this.#options
    const dispatcher: Dispatcher = new Dispatcher({
      ...{ concurrency, prefetch, deliveryLimit, results, control, cancel, clock, log, settler, reports, flows },
      packs,
      report: this.#report,
      handlers: this.#handlers.all,
      duplicates: new Duplicates(results),
    })
    const tokens = new Tokens({
      ...{ service: this.service, consuming, producer, results, confirmTimeoutMs, log, works, routes: delays },
      domains: [...new Set(this.#handlers.tasks.map(({ name }) => domainOf(name)))],
      onTick: (tick) => this.tell('tick', tick),
      onConsumer: (each) => this.#consumers.push(each.on('state', (event) => this.tell('consumerState', event))),
    })
    const seen = { service: this.service, concurrency, tasks: this.#handlers.tasks, dispatcher, reports }
    const consumers = () => this.#consumers.filter(({ queue }) => this.#handlers.all.has(queue.task))
    const celery = celeryRemote ? new CeleryNode({ ...this.#dependencies, ...seen, consumers }) : undefined
    this.#running = { dispatcher, settler, deadLettering, producer, tokens, celery }
    return this.#running
  }

  #consumer(declaration: QueueDeclaration, queues: number, dispatcher: Dispatcher): Consumer {
    const consumer = new Consumer(this.#dependencies.consuming, {
      declaration,
      // One at a time, and from one consumer: another subscription would be another consumer.
      prefetch: declaration.queue.arguments === undefined ? dispatcher.initialPrefetch(declaration, queues) : 1,
      consumerTimeoutMs: this.#options.consumerTimeoutMs,
      retryInitialDelayMs: defaults.queueRetryInitialDelayMs,
      retryMaxDelayMs: defaults.queueRetryMaxDelayMs,
    })
    consumer.on('state', (event) => this.tell('consumerState', event))
    dispatcher.add(consumer)
    return consumer
  }

  async #stop(): Promise<void> {
    if (this.#life.state === 'idle') {
      this.#cancelGrace?.()
      this.#life.to('stopped')
      await this.#dependencies.onStopped()
      return this.told()
    }
    this.#life.to('draining')
    const graceOver = new Promise<void>((resolve) => {
      this.#endGrace = resolve
    })
    if (this.#graceEndsAt <= performance.now()) this.#endGrace?.()
    const { dispatcher, settler, producer, tokens, celery } = this.#running ?? this.#begin()
    dispatcher.stop()
    this.#handlers.drain()
    const cancelling = Promise.all([tokens.stop(), ...this.#consumers.map((consumer) => consumer.drain())])
    await withDeadline(cancelling, CANCEL_LIMIT_MS, 'cancelling').catch(() => undefined)
    await Promise.race([dispatcher.untilIdle(), graceOver])
    this.#cancelGrace?.()
    dispatcher.release(new ClosedError('The worker'))
    settler.close()
    await this.#handlers.close()
    await celery?.stop()
    await Promise.all(this.#consumers.map((consumer) => consumer.stop()))
    producer.close()
    await this.#dependencies.onStopped().catch((error: unknown) => {
      this.#dependencies.log.warn({ service: this.service }, `The worker's connection did not close: ${textOf(error)}`)
    })
    this.#life.to('stopped')
    await this.told()
  }

  #limitGrace(ms: number): void {
    const endsAt = performance.now() + ms
    if (endsAt >= this.#graceEndsAt) return
    this.#graceEndsAt = endsAt
    this.#cancelGrace?.()
    this.#cancelGrace = startTimer(ms, () => this.#endGrace?.())
  }
}
