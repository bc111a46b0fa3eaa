/**
 * `connect()` and what it gives: the producer's side of Warren, the results, and the maker of workers. It owns the
 * publishing connection and the store's; each worker has a consuming connection of its own.
 */
import { randomUUID } from 'node:crypto'
import { type Address, parseAddresses } from './amqp/address.js'
import { Connection } from './amqp/connection.js'
import { DeadLetters, type DeadLettersOptions } from './deadLetters/deadLetters.js'
import { ClosedError } from './errors/index.js'
import { ContainedEmitter, containedLogger, problemLog, type ReportProblem } from './observe/contained.js'
import type { ConnectionRole, WarrenEvents } from './observe/events.js'
import { jsonLogger } from './observe/jsonLogger.js'
import { logWarren, logWorker } from './observe/logging.js'
import { defaults, is, settleOptions } from './options.js'
import { parseResults, type StoreClient, storeClient } from './results/connection.js'
import { Results } from './results/store.js'
import type { Handle } from './send/handle.js'
import type { PreparedMessage } from './send/prepared.js'
import { Producer } from './send/producer.js'
import { checkId, type PublishPreparedOptions, Sender, type SendOptions } from './send/sender.js'
import { type SendManyOptions, type SendManySummary, sendMany } from './send/sendMany.js'
import { isLogger, type Logger, silentLogger } from './task/logger.js'
import { checkTask, type Task, type TaskOutput } from './task/task.js'
import { replyChannel } from './wire/names.js'
import type { StoredResult } from './wire/resultFormat.js'
import { Worker } from './work/worker.js'
import type { WorkerOptions } from './work/workerOptions.js'

export interface ConnectOptions {
  /** `amqp://user:password@host:5672/vhost`, or several nodes of one cluster: Warren rotates over them. */
  readonly broker: string | readonly string[]
  /**
   * `redis://host:6379/0` (or `valkey://`, `rediss://`), or a client of iovalkey or ioredis, for Sentinels and clusters:
   * Warren takes its settings and opens connections of its own. Left out, tasks have no results and handles cannot wait.
   */
  readonly results?: string | StoreClient | undefined
  /** Shown as the connections' name in RabbitMQ's management page. Default `warren`. */
  readonly name?: string | undefined
  /** Where log lines go: a pino logger, the console, or another with its four methods; `false` for nowhere. Default: JSON lines on standard error. */
  readonly logger?: Logger | false | undefined
  /** How long `send` waits for the broker's confirm before `UNCONFIRMED`, in milliseconds. Default 30,000. */
  readonly confirmTimeoutMs?: number | undefined
  /** How many messages are in flight unconfirmed. More is faster up to a point, and more to publish again after a lost connection. Default 1,000. */
  readonly maxUnconfirmed?: number | undefined
  /** How many bytes are in flight unconfirmed. Default 16 MiB. */
  readonly maxUnconfirmedBytes?: number | undefined
  /** The largest message `send` takes, in bytes. Default 4 MiB. RabbitMQ 4 refuses more than 16 MiB. */
  readonly maxMessageBytes?: number | undefined
  /** How long the store keeps results, in milliseconds. Default one day. */
  readonly resultTtlMs?: number | undefined
  /** How long `connect()` tries before it rejects, in milliseconds. Default 10,000. */
  readonly connectTimeoutMs?: number | undefined
  /** AMQP heartbeat in seconds. A proxy in between needs timeouts well above it. Default 10. */
  readonly heartbeatSeconds?: number | undefined
}

/** Connects to the broker and the store. Throws `OptionsError`, `BrokerUnreachableError`, `AccessRefusedError`, `StoreUnreachableError`. */
export async function connect(options: ConnectOptions): Promise<Warren> {
  const warren = new Warren(options)
  await warren.open()
  return warren
}

export class Warren extends ContainedEmitter<WarrenEvents> {
  readonly #options: { readonly [Key in keyof typeof CONNECT_DEFAULTS]: NonNullable<ConnectOptions[Key]> }
  readonly #addresses: readonly Address[]
  readonly #log: Logger
  readonly #report: ReportProblem
  readonly #producerId = randomUUID()
  readonly #publishing: Connection
  readonly #producer: Producer
  readonly #results: Results | undefined
  readonly #sender: Sender
  readonly #workers = new Set<Worker>()
  /** The connections of those who look at dead letters just now. */
  readonly #looking = new Set<Connection>()
  #closing: Promise<void> | undefined

  /** Does no I/O. Use `connect()`. */
  constructor(options: ConnectOptions) {
    super()
    const settled = settleOptions('connect', options, CONNECT_CHECKS, CONNECT_DEFAULTS, ['broker'])
    const { broker, results, logger } = settled
    this.#options = settled
    this.#addresses = parseAddresses('connect: broker', broker)
    this.#log = logger === false ? silentLogger : containedLogger(logger ?? jsonLogger())
    this.#report = problemLog(this.#log)
    this.reportProblemsTo(this.#report)
    this.#publishing = this.#connection('publish')
    this.#producer = this.#makeProducer()
    this.#producer.on('confirmed', (event) => this.tell('confirmed', event))
    this.#results =
      results === undefined
        ? undefined
        : new Results({
            target: parseResults('connect: results', results),
            producerId: this.#producerId,
            ttlMs: this.#options.resultTtlMs,
            connectTimeoutMs: this.#options.connectTimeoutMs,
          })
    this.#sender = new Sender({
      producer: this.#producer,
      results: this.#results,
      replyTo: results === undefined ? undefined : replyChannel(this.#producerId),
      confirmTimeoutMs: this.#options.confirmTimeoutMs,
      maxMessageBytes: this.#options.maxMessageBytes,
    })
    this.#results?.on('storeState', (event) => this.tell('storeState', event))
    logWarren(this, this.#log)
  }

  /** Called by `connect()`. */
  async open(): Promise<void> {
    try {
      await Promise.all([this.#publishing.open(), this.#results?.open()])
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /**
   * Sends one task and resolves on the broker's confirm: from then on the message is in its queue, on disk where the
   * queue's type says so. Throws `InputError`, `PayloadTooLargeError`, `UnroutableError`, `UnconfirmedError`.
   */
  send<Input, Parsed, Output, Returned>(
    task: Task<Input, Parsed, Output, Returned>,
    input: NoInfer<Input>,
    options?: SendOptions,
  ): Promise<Handle<Output>> {
    return this.#sender.send(task, input, options)
  }

  /**
   * Sends one task for each input, in order, with a bounded number in flight: a million inputs from a generator take the
   * memory of a thousand. Without `onFailed` the first failure ends it and rejects, once those in flight have ended.
   */
  async sendMany<Input, Parsed, Output, Returned>(
    task: Task<Input, Parsed, Output, Returned>,
    inputs: Iterable<NoInfer<Input>> | AsyncIterable<NoInfer<Input>>,
    options: SendManyOptions<Output, NoInfer<Input>> = {},
  ): Promise<SendManySummary> {
    checkTask('sendMany', task)
    const sending = {
      send: (input: Input, each: SendOptions | undefined) => this.#sender.send(task, input, each),
      window: this.#options.maxUnconfirmed,
      full: () => this.#producer.full,
      report: this.#report,
    }
    return sendMany(sending, inputs, options)
  }

  /**
   * Publishes what `prepare()` made, here or elsewhere, and resolves on the broker's confirm. It may be published again:
   * a worker runs it unless the task is done. Throws `MessageError` for a record of a newer version, and what `send` throws.
   */
  publishPrepared(message: PreparedMessage, options?: PublishPreparedOptions): Promise<void> {
    return this.#sender.publishPrepared(message, options)
  }

  /** The handle of a task that was sent before, by this process or another. */
  handle<T extends Task>(task: T, id: string): Handle<TaskOutput<T>> {
    checkTask('handle', task)
    checkId('handle', id)
    return this.#sender.handle(task, id) as Handle<TaskOutput<T>>
  }

  /** What the store holds of a task, by its id alone: what `state()` of its handle returns. */
  state(id: string): Promise<StoredResult | undefined> {
    return this.#sender.state(id)
  }

  /** A worker on a consuming connection of its own. Does no I/O until `start()`. Throws `OptionsError`, `ClosedError`. */
  worker(options: WorkerOptions): Worker {
    if (this.#closing !== undefined) throw new ClosedError('The connection')
    const consuming = this.#connection('consume')
    const worker = new Worker(options, {
      consuming,
      publishing: this.#publishing,
      makeProducer: () => this.#makeProducer(),
      results: this.#results,
      confirmTimeoutMs: this.#options.confirmTimeoutMs,
      log: this.#log,
      onStopped: async (stopped) => {
        this.#workers.delete(stopped)
        await consuming.close()
      },
    })
    this.#workers.add(worker)
    logWorker(worker, this.#log)
    return worker
  }

  /** The dead letters of a domain, or of a queue by its name. Does no I/O; each of its calls opens a connection of its own. */
  deadLetters(options: DeadLettersOptions): DeadLetters {
    return new DeadLetters(options, {
      connect: async () => {
        if (this.#closing !== undefined) throw new ClosedError('The connection')
        const looking = this.#connection('consume')
        this.#looking.add(looking)
        looking.on('state', ({ state }) => {
          if (state === 'closed') this.#looking.delete(looking)
        })
        try {
          await looking.open()
        } catch (error) {
          await looking.close()
          throw error
        }
        return looking
      },
      producer: this.#producer,
      results: this.#results,
      confirmTimeoutMs: this.#options.confirmTimeoutMs,
      log: this.#log,
    })
  }

  /** Stops the workers, waits for unconfirmed messages, and closes. Safe twice. */
  async close(): Promise<void> {
    this.#sender.close()
    this.#closing ??= this.#close()
    await this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    await Promise.all([
      ...[...this.#workers].map((worker) => worker.stop()),
      ...[...this.#looking].map((looking) => looking.close()),
    ])
    // Messages that may wait for ever for their confirm do not keep the process from ending.
    const { confirmTimeoutMs } = this.#options
    await this.#producer.flush(Number.isFinite(confirmTimeoutMs) ? undefined : defaults.confirmTimeoutMs)
    this.#producer.close()
    await this.#publishing.close()
    this.#results?.close()
  }

  /** One for what is sent here, and one for each worker: each has a channel of its own. */
  #makeProducer(): Producer {
    const producer = new Producer(this.#publishing, this.#options)
    producer.on('republished', (event) => this.tell('republished', event))
    return producer
  }

  #connection(role: ConnectionRole): Connection {
    const { name, heartbeatSeconds, connectTimeoutMs } = this.#options
    const connection = new Connection({
      addresses: this.#addresses,
      role,
      name: `${name} (${role})`,
      heartbeatSeconds,
      connectTimeoutMs,
      reconnectInitialDelayMs: defaults.reconnectInitialDelayMs,
      reconnectMaxDelayMs: defaults.reconnectMaxDelayMs,
    })
    connection.on('state', (event) => this.tell('connectionState', event))
    connection.on('blocked', (event) => this.tell('blocked', event))
    connection.on('unblocked', (event) => this.tell('unblocked', event))
    return connection
  }
}

const CONNECT_DEFAULTS = {
  name: 'warren',
  confirmTimeoutMs: defaults.confirmTimeoutMs,
  maxUnconfirmed: defaults.maxUnconfirmed,
  maxUnconfirmedBytes: defaults.maxUnconfirmedBytes,
  maxMessageBytes: defaults.maxMessageBytes,
  resultTtlMs: defaults.resultTtlMs,
  connectTimeoutMs: defaults.connectTimeoutMs,
  heartbeatSeconds: defaults.heartbeatSeconds,
}

const CONNECT_CHECKS = {
  broker: is.secret(is.anyOf(is.text, is.listOf(is.text, 'a list of them, not empty'))),
  results: is.secret(is.anyOf(is.text, storeClient)),
  name: is.text,
  logger: is.secret(is.anyOf(is.value(false), isLogger)),
  confirmTimeoutMs: is.duration(1, { forever: true }),
  maxUnconfirmed: is.integer(1, 100_000),
  maxUnconfirmedBytes: is.integer(1),
  maxMessageBytes: is.integer(1),
  resultTtlMs: is.duration(1),
  connectTimeoutMs: is.duration(1, { forever: true }),
  heartbeatSeconds: is.integer(1, 60),
}
