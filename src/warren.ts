/**
 * `connect()` and what it gives: the producer's side of Warren, the results, and the maker of workers. It owns the
 * publishing connection and the store's; each worker has a consuming connection of its own.
 */
import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { type Address, parseAddresses } from './amqp/address.js'
import { Connection } from './amqp/connection.js'
import { DeadLetters, type DeadLettersOptions } from './deadLetters/deadLetters.js'
import { ClosedError, InputError, NoResultStoreError, PayloadTooLargeError } from './errors/index.js'
import { containedLogger } from './observe/contained.js'
import type { ConnectionRole, WarrenEvents } from './observe/events.js'
import { jsonLogger } from './observe/jsonLogger.js'
import { logWarren, logWorker } from './observe/logging.js'
import { traceHeaders } from './observe/tracing.js'
import { checkOptions, defaults, is } from './options.js'
import { parseResults, type StoreClient, storeClient } from './results/connection.js'
import { Results } from './results/store.js'
import { Handle } from './send/handle.js'
import { Producer } from './send/producer.js'
import { type SendManyOptions, type SendManySummary, sendMany } from './send/sendMany.js'
import { isLogger, type Logger, silentLogger } from './task/logger.js'
import { check, type Task } from './task/task.js'
import { encode } from './wire/envelope.js'
import { commandsExchange, domainOf, headers, replyChannel } from './wire/names.js'
import { Worker } from './work/worker.js'
import type { WorkerOptions } from './work/workerOptions.js'

export interface ConnectOptions {
  /** `amqp://user:password@host:5672/vhost`, or several nodes of one cluster: Warren rotates over them. */
  readonly broker: string | readonly string[]
  /**
   * `redis://host:6379/0` (or `valkey://`, `rediss://`), or a client of iovalkey or ioredis, for Sentinels and clusters:
   * Warren takes its settings and opens connections of its own. Left out, tasks have no results and handles cannot wait.
   */
  readonly results?: string | StoreClient
  /** Shown as the connections' name in RabbitMQ's management page. Default `warren`. */
  readonly name?: string
  /** Where log lines go: a pino logger, the console, or another with its four methods; `false` for nowhere. Default: JSON lines on standard error. */
  readonly logger?: Logger | false
  /** How long `send` waits for the broker's confirm before `UNCONFIRMED`, in milliseconds. Default 30,000. */
  readonly confirmTimeoutMs?: number
  /** How many messages are in flight unconfirmed. More is faster up to a point, and more to publish again after a lost connection. Default 1,000. */
  readonly maxUnconfirmed?: number
  /** How many bytes are in flight unconfirmed. Default 16 MiB. */
  readonly maxUnconfirmedBytes?: number
  /** The largest message `send` takes, in bytes. Default 4 MiB. RabbitMQ 4 refuses more than 16 MiB. */
  readonly maxMessageBytes?: number
  /** How long the store keeps results, in milliseconds. Default one day. */
  readonly resultTtlMs?: number
  /** How long `connect()` tries before it rejects, in milliseconds. Default 10,000. */
  readonly connectTimeoutMs?: number
  /** AMQP heartbeat in seconds. A proxy in between needs timeouts well above it. Default 10. */
  readonly heartbeatSeconds?: number
}

export interface SendOptions {
  /** The task id. Default: a random UUID. The same id sent twice is run twice unless it is done when the second comes. */
  readonly id?: string
  /** Overrides `confirmTimeoutMs` of `connect()`. */
  readonly confirmTimeoutMs?: number
  /** Not to be run after this instant: it is dead-lettered instead. */
  readonly expires?: Date
}

/** Connects to the broker and the store. Throws `OptionsError`, `BrokerUnreachableError`, `AccessRefusedError`, `StoreUnreachableError`. */
export async function connect(options: ConnectOptions): Promise<Warren> {
  const warren = new Warren(options)
  await warren.open()
  return warren
}

export class Warren extends EventEmitter<WarrenEvents> {
  readonly #options: Required<Omit<ConnectOptions, 'broker' | 'results' | 'logger'>>
  readonly #addresses: readonly Address[]
  readonly #log: Logger
  readonly #producerId = randomUUID()
  readonly #publishing: Connection
  readonly #producer: Producer
  readonly #results: Results | undefined
  /** Where the results of what is sent here are announced; undefined without a store. */
  readonly #replyTo: string | undefined
  readonly #workers = new Set<Worker>()
  /** The connections of those who look at dead letters just now. */
  readonly #looking = new Set<Connection>()
  #closing: Promise<void> | undefined

  /** Does no I/O. Use `connect()`. */
  constructor(options: ConnectOptions) {
    super()
    checkOptions('connect', options, CONNECT_CHECKS, ['broker'])
    const { broker, results, logger, ...rest } = options
    this.#options = { ...CONNECT_DEFAULTS, ...rest }
    this.#addresses = parseAddresses('connect: broker', broker)
    this.#log = logger === false ? silentLogger : containedLogger(logger ?? jsonLogger())
    this.#publishing = this.#connection('publish')
    this.#producer = this.#makeProducer()
    this.#producer.on('confirmed', (event) => this.emit('confirmed', event))
    this.#results =
      results === undefined
        ? undefined
        : new Results({
            target: parseResults('connect: results', results),
            producerId: this.#producerId,
            ttlMs: this.#options.resultTtlMs,
            connectTimeoutMs: this.#options.connectTimeoutMs,
          })
    this.#replyTo = results === undefined ? undefined : replyChannel(this.#producerId)
    this.#results?.on('storeState', (event) => this.emit('storeState', event))
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
  async send<Input, Parsed, Output>(
    task: Task<Input, Parsed, Output>,
    input: NoInfer<Input>,
    options: SendOptions = {},
  ): Promise<Handle<Output>> {
    if (this.#closing !== undefined) throw new ClosedError('The connection')
    checkOptions('send', options, SEND_CHECKS)
    const checking = check(task.input, input)
    // Most schemas are synchronous, and one more turn for each task would be felt.
    const checked = checking instanceof Promise ? await checking : checking
    if (checked.issues !== undefined) throw new InputError(task.name, checked.issues)
    const id = options.id ?? randomUUID()
    const message = encode({
      task: task.name,
      id,
      // What was given, not what the schema made of it: the worker's schema reads it again.
      input,
      expires: options.expires,
      replyTo: this.#replyTo,
      ...traceHeaders(),
    })
    // An id that the caller chose may have been sent before: the worker then looks whether the task is done.
    if (options.id !== undefined) message.properties.headers[headers.republished] = true
    const { maxMessageBytes, confirmTimeoutMs } = this.#options
    if (message.content.length > maxMessageBytes) {
      throw new PayloadTooLargeError(task.name, message.content.length, maxMessageBytes)
    }
    await this.#producer.publish({
      id,
      exchange: commandsExchange(domainOf(task.name)),
      routingKey: task.name,
      message,
      confirmTimeoutMs: options.confirmTimeoutMs ?? confirmTimeoutMs,
    })
    return this.handle(task, id)
  }

  /**
   * Sends one task for each input, in order, with a bounded number in flight: a million inputs from a generator take the
   * memory of a thousand. Without `onFailed` the first failure ends it and rejects, once those in flight have ended.
   */
  sendMany<Input, Parsed, Output>(
    task: Task<Input, Parsed, Output>,
    inputs: Iterable<NoInfer<Input>> | AsyncIterable<NoInfer<Input>>,
    options: SendManyOptions<Output> = {},
  ): Promise<SendManySummary> {
    return sendMany((input) => this.send(task, input), inputs, this.#options.maxUnconfirmed, options)
  }

  /** The handle of a task that was sent before, by this process or another. */
  handle<Input, Parsed, Output>(task: Task<Input, Parsed, Output>, id: string): Handle<Output> {
    return new Handle<Output>(task.name, id, () => {
      if (this.#results === undefined) throw new NoResultStoreError()
      return this.#results
    })
  }

  /** A worker on a consuming connection of its own. Does no I/O until `start()`. */
  worker(options: WorkerOptions): Worker {
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
    await this.#producer.flush()
    this.#producer.close()
    await this.#publishing.close()
    this.#results?.close()
  }

  /** One for what is sent here, and one for each worker: each has a channel of its own. */
  #makeProducer(): Producer {
    const producer = new Producer(this.#publishing, this.#options)
    producer.on('republished', (event) => this.emit('republished', event))
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
    connection.on('state', (event) => this.emit('connectionState', event))
    connection.on('blocked', (event) => this.emit('blocked', event))
    connection.on('unblocked', (event) => this.emit('unblocked', event))
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
  broker: is.anyOf(is.text, is.listOf(is.text, 'a list of them, not empty')),
  results: is.anyOf(is.text, storeClient),
  name: is.text,
  logger: is.anyOf(is.value(false), isLogger),
  confirmTimeoutMs: is.integer(1),
  maxUnconfirmed: is.integer(1, 100_000),
  maxUnconfirmedBytes: is.integer(1),
  maxMessageBytes: is.integer(1),
  resultTtlMs: is.integer(1),
  connectTimeoutMs: is.integer(1),
  heartbeatSeconds: is.integer(1, 60),
}

const SEND_CHECKS = {
  id: is.text,
  confirmTimeoutMs: is.integer(1),
  expires: is.date,
}
