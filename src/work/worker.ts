/**
 * A worker: takes messages from the queues of its tasks, runs their handlers, at most `concurrency` at a time, and
 * settles what came of them. It owns one consumer per task and the list of messages it holds; each held message is
 * ready (not started), running, or settling.
 *
 *     idle ─start()─▶ starting ─▶ running ─stop()─▶ draining ─▶ stopped
 *
 * Draining: cancel the consumers, give back what is not started, wait for the rest up to the grace period, release what
 * is left to its queue, close. A message is never acknowledged by draining, only by being settled.
 */
import { EventEmitter } from 'node:events'
import type { Connection } from '../amqp/connection.js'
import { declarationsOf, type QueueDeclaration } from '../amqp/declare.js'
import { Lifecycle } from '../amqp/lifecycle.js'
import { ClosedError, OptionsError } from '../errors/index.js'
import { type IsolatedHandler, IsolatePool } from '../isolate/isolatePool.js'
import type { WorkerEvents, WorkerState } from '../observe/events.js'
import type { WorkerHealth } from '../observe/health.js'
import { checkOptions, defaults, is } from '../options.js'
import type { Results } from '../results/store.js'
import type { Producer } from '../send/producer.js'
import type { Handler } from '../task/handler.js'
import type { Logger } from '../task/logger.js'
import type { Task } from '../task/task.js'
import { DEFAULT_DELIVERY_LIMIT, planService } from '../task/topology.js'
import { isSuspect } from '../wire/redelivery.js'
import { Attempt, type RegisteredHandler } from './attempt.js'
import { Consumer, type Delivery } from './consumer.js'
import { Duplicates } from './duplicates.js'
import { initialPrefetch, PrefetchAdapter } from './prefetch.js'
import { Quarantine } from './quarantine.js'
import { Settler } from './settle.js'

export interface WorkerOptions {
  /** The consumer application: the last part of its queues' names. All workers of a service share its queues. */
  readonly service: string
  /** How many handlers run at the same time. Default 1. */
  readonly concurrency?: number
  /**
   * How many unacknowledged messages each queue's consumer holds at most, the running ones included. RabbitMQ advises
   * at most 2,000 on quorum queues. A large one is fast with short tasks and unfair with long ones. Default: it adapts,
   * so that what is held and not running lasts about a tenth of a second.
   */
  readonly prefetch?: number
  /**
   * How often a classic queue may hand a message out again before Warren dead-letters it; the count is kept in the result
   * store. On a quorum queue RabbitMQ counts, and its policy's `delivery-limit` rules. Default 20.
   */
  readonly deliveryLimit?: number
  /** How long `stop()` waits for running attempts, in milliseconds. Default 30,000. */
  readonly gracePeriodMs?: number
}

/** What a worker needs of the connection it belongs to. */
export interface WorkerDependencies {
  readonly consuming: Connection
  readonly publishing: Connection
  readonly producer: Producer
  readonly results: Results | undefined
  readonly confirmTimeoutMs: number
  readonly log: Logger
  /** Called when the worker is stopped, so that its connection can be closed. */
  readonly onStopped: (worker: Worker) => Promise<void>
}

/** RabbitMQ's advice for quorum queues (https://www.rabbitmq.com/docs/consumer-prefetch); AMQP itself allows 65,535. */
const MAX_PREFETCH = 2_000

export class Worker extends EventEmitter<WorkerEvents> {
  readonly service: string
  readonly concurrency: number
  /** Fixed by the options, or undefined: it adapts. */
  readonly prefetch: number | undefined
  readonly #gracePeriodMs: number
  readonly #deliveryLimit: number
  readonly #dependencies: WorkerDependencies
  readonly #life: Lifecycle<WorkerState>
  readonly #handlers = new Map<string, RegisteredHandler>()
  readonly #settler: Settler
  readonly #isolates = new IsolatePool()
  #consumers: Consumer[] = []
  /** Undefined when the options fix the prefetch. */
  readonly #adapter: PrefetchAdapter | undefined
  /** Held and not started, oldest first. */
  #ready: Delivery[] = []
  readonly #quarantine: Quarantine
  readonly #duplicates: Duplicates
  /** A suspect runs, and nothing else. */
  #alone = false
  readonly #active = new Set<Attempt>()
  #running = 0
  #stopping: Promise<void> | undefined
  #idle: (() => void) | undefined

  /** Does no I/O. Throws `OptionsError`. Made by `warren.worker()`. */
  constructor(options: WorkerOptions, dependencies: WorkerDependencies) {
    super()
    checkOptions(
      'worker',
      options,
      {
        service: is.matching(/^[A-Za-z0-9_.-]{1,50}$/, 'up to 50 letters, digits, _, . and -'),
        concurrency: is.integer(1, 10_000),
        prefetch: is.integer(1, MAX_PREFETCH),
        deliveryLimit: is.integer(1),
        gracePeriodMs: is.integer(0, 2 ** 31 - 1),
      },
      ['service'],
    )
    this.service = options.service
    this.concurrency = options.concurrency ?? defaults.concurrency
    this.prefetch = options.prefetch
    this.#gracePeriodMs = options.gracePeriodMs ?? defaults.gracePeriodMs
    this.#deliveryLimit = options.deliveryLimit ?? DEFAULT_DELIVERY_LIMIT
    this.#dependencies = dependencies
    this.#life = new Lifecycle<WorkerState>(
      'worker',
      'idle',
      {
        idle: ['starting', 'stopped'],
        starting: ['running', 'draining'],
        running: ['draining'],
        draining: ['stopped'],
        stopped: [],
      },
      (state, _from, reason) => this.emit('workerState', { state, ...(reason === undefined ? {} : { reason }) }),
    )
    const { producer, results, confirmTimeoutMs, publishing } = dependencies
    this.#quarantine = new Quarantine(results)
    this.#duplicates = new Duplicates(results)
    this.#adapter = this.prefetch === undefined ? new PrefetchAdapter(this.concurrency, this.#active) : undefined
    this.#settler = new Settler({
      connection: publishing,
      producer,
      results,
      confirmTimeoutMs,
      onDelayed: (attempt, waitingFor, error) => this.emit('settleDelayed', { ...refOf(attempt), waitingFor, error }),
      onDeadLettered: (attempt, exchange, reason, error) =>
        this.emit('deadLettered', { ...refOf(attempt), exchange, reason, error }),
    })
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
    if (this.#life.state !== 'idle') throw new OptionsError('worker.handle', ['expected to be called before start()'])
    if (this.#handlers.has(task.name)) {
      throw new OptionsError('worker.handle', [`expected one handler for each task, got a second for ${task.name}`])
    }
    // The map holds handlers of all types; each is only ever called with input that its own task's schema let through.
    const run = typeof handler === 'function' ? (handler as Handler) : this.#isolates.handler(task.name, handler)
    this.#handlers.set(task.name, { task: task as Task, handler: run })
    return this
  }

  /**
   * Declares and consumes. Resolves when every queue is taken up, or is away and will be taken up by itself later
   * (`consumerState` says which). Throws `QueueMismatchError`, `AccessRefusedError`, `OptionsError`.
   */
  async start(): Promise<void> {
    if (this.#handlers.size === 0) throw new OptionsError('worker.start', ['expected handle() to be called first'])
    this.#life.to('starting')
    const { consuming } = this.#dependencies
    const tasks = [...this.#handlers.values()].map(({ task }) => task)
    this.#consumers = declarationsOf(planService(this.service, tasks)).map((each) => this.#consumer(each))
    try {
      if (consuming.state === 'idle') await consuming.open()
      await Promise.all(this.#consumers.map((consumer) => consumer.start()))
    } catch (error) {
      await this.stop({ gracePeriodMs: 0 })
      throw error
    }
    if (this.#life.state === 'starting') this.#life.to('running')
  }

  /** Drains and closes; see the header. Safe unstarted and twice. */
  async stop(options: { gracePeriodMs?: number } = {}): Promise<void> {
    this.#stopping ??= this.#stop(options.gracePeriodMs ?? this.#gracePeriodMs)
    await this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  health(): WorkerHealth {
    const { consuming, publishing, results } = this.#dependencies
    const queues = this.#consumers.map(({ queue, state, reason }) => ({
      queue,
      state,
      ...(reason === undefined ? {} : { reason }),
    }))
    const store = results === undefined ? 'none' : results.available ? 'available' : 'unavailable'
    return {
      ready:
        this.#life.state === 'running' &&
        queues.every(({ state }) => state === 'consuming' || state === 'paused') &&
        publishing.state === 'open' &&
        store !== 'unavailable',
      state: this.#life.state,
      queues,
      connections: { consume: consuming.state, publish: publishing.state },
      store,
      running: this.#running,
      held: this.#ready.length + this.#quarantine.size + this.#active.size,
    }
  }

  #consumer(declaration: QueueDeclaration): Consumer {
    const consumer = new Consumer(this.#dependencies.consuming, {
      declaration,
      prefetch: this.prefetch ?? initialPrefetch(this.concurrency),
      retryInitialDelayMs: defaults.queueRetryInitialDelayMs,
      retryMaxDelayMs: defaults.queueRetryMaxDelayMs,
    })
    this.#adapter?.add(consumer)
    consumer.on('state', (event) => this.emit('consumerState', event))
    consumer.on('delivery', (delivery) => this.#receive(delivery))
    consumer.on('unsubscribed', ({ tags }) => this.#giveBack(consumer, tags))
    consumer.on('lost', ({ generation }) => this.#lose(consumer, generation))
    return consumer
  }

  #receive(delivery: Delivery): void {
    if (this.#life.in('draining', 'stopped')) {
      delivery.consumer.giveBack(delivery)
      return
    }
    this.#duplicates.lookUp(delivery)
    if (isSuspect(delivery.message)) {
      this.#quarantine.add(delivery)
      for (const consumer of this.#consumers) void consumer.pause()
    } else {
      this.#ready.push(delivery)
    }
    this.#pump()
  }

  /** Starts what may start: first the unsuspected, `concurrency` at a time, then each suspect alone, then takes new ones. */
  #pump(): void {
    if (!this.#life.in('starting', 'running')) return
    while (this.#running < this.concurrency && !this.#alone) {
      const delivery = this.#ready.shift()
      if (delivery === undefined) break
      void this.#attempt(delivery)
    }
    if (this.#quarantine.size > 0 && this.#active.size === 0 && !this.#alone) void this.#runSuspect()
  }

  async #runSuspect(): Promise<void> {
    this.#alone = true
    // Which one runs first matters, so all that are on their way are waited for.
    await Promise.all(this.#consumers.map((consumer) => consumer.pause()))
    const suspect = await this.#quarantine.next()
    if (suspect !== undefined && this.#life.in('starting', 'running')) {
      await this.#attempt(suspect)
      await this.#quarantine.clear(suspect)
    } else if (suspect !== undefined) {
      suspect.consumer.giveBack(suspect)
    }
    this.#alone = false
    this.#resume()
    this.#pump()
  }

  /** Takes messages again once no suspect is left. */
  #resume(): void {
    if (this.#quarantine.size > 0 || this.#alone) return
    for (const consumer of this.#consumers) void consumer.resume()
  }

  async #attempt(delivery: Delivery): Promise<void> {
    const { results, log } = this.#dependencies
    const attempt = new Attempt(delivery, {
      handlers: this.#handlers,
      results,
      duplicates: this.#duplicates,
      log,
      deliveryLimit: this.#deliveryLimit,
    })
    this.#active.add(attempt)
    this.#running++
    this.#adapter?.started()
    // An event that nobody hears would cost as much as a short task itself.
    if (this.listenerCount('attemptStarted') > 0) {
      this.emit('attemptStarted', { ...refOf(attempt), redelivered: attempt.redelivered })
    }
    const outcome = await attempt.run()
    // The next handler starts while this one's outcome is being settled; the prefetch bounds how many may pile up.
    this.#running--
    if (this.listenerCount('attemptFinished') > 0) {
      const error = 'error' in outcome ? { error: outcome.error } : {}
      const { durationMs } = attempt
      this.emit('attemptFinished', { ...refOf(attempt), outcome: outcome.kind, durationMs, ...error })
    }
    this.#adapter?.finished(delivery.consumer, attempt.durationMs)
    this.#pump()
    const finishedAt = performance.now()
    const settled = await this.#settler.settle(attempt, outcome)
    this.#active.delete(attempt)
    if (this.listenerCount('attemptSettled') > 0) {
      const settleMs = performance.now() - finishedAt
      this.emit('attemptSettled', { ...refOf(attempt), outcome: outcome.kind, settled, settleMs })
    }
    if (this.#active.size > 0) return
    this.#idle?.()
    if (this.#quarantine.size > 0) this.#pump()
  }

  /** What a cancelled consumer holds is stuck when its node goes down, and others may be idle while it waits here. */
  #giveBack(consumer: Consumer, tags: ReadonlySet<string>): void {
    this.#ready = this.#ready.filter((delivery) => {
      if (delivery.consumer !== consumer || !tags.has(delivery.message.fields.consumerTag)) return true
      consumer.giveBack(delivery)
      return false
    })
  }

  /** A channel died: RabbitMQ has given its messages to others already. */
  #lose(consumer: Consumer, generation: number): void {
    const gone = (delivery: Delivery): boolean => delivery.consumer === consumer && delivery.generation <= generation
    this.#ready = this.#ready.filter((delivery) => !gone(delivery))
    this.#quarantine.remove(gone)
    this.#resume()
    for (const attempt of this.#active) {
      if (gone(attempt.delivery)) attempt.release(new ClosedError(`The channel that delivered ${attempt.id}`))
    }
  }

  async #stop(gracePeriodMs: number): Promise<void> {
    if (this.#life.state === 'idle') return this.#life.to('stopped')
    this.#life.to('draining')
    const cancelled = Promise.all(this.#consumers.map((consumer) => consumer.drain()))
    for (const delivery of [...this.#ready.splice(0), ...this.#quarantine.remove(() => true)])
      delivery.consumer.giveBack(delivery)
    await cancelled
    if (this.#active.size > 0) await this.#untilIdle(gracePeriodMs)
    for (const attempt of [...this.#active]) attempt.release(new ClosedError('The worker'))
    this.#adapter?.stop()
    await this.#isolates.close()
    await Promise.all(this.#consumers.map((consumer) => consumer.stop()))
    await this.#dependencies.onStopped(this)
    this.#life.to('stopped')
  }

  async #untilIdle(patienceMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#idle = resolve
      timer = setTimeout(resolve, patienceMs)
    })
    clearTimeout(timer)
    this.#idle = undefined
  }
}

function refOf(attempt: Attempt): { id: string; task: string; queue: string; number: number } {
  return { id: attempt.id, task: attempt.task, queue: attempt.queue, number: attempt.number }
}
