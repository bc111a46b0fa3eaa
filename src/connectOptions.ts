/** The options of `connect()`, with their defaults and checks. */
import { defaults, is } from './options.js'
import { type StoreClient, storeClient } from './results/connection.js'
import type { HistoryOptions } from './results/historyOptions.js'
import { isLogger, type Logger } from './task/logger.js'

export interface ConnectOptions {
  /** `amqp://user:password@host:5672/vhost`, or several nodes of one cluster: Warren rotates through them. */
  readonly broker: string | readonly string[]
  /**
   * `redis://host:6379/0` (or `valkey://`, `rediss://`), `sentinel://host:26379,host:26379/NAME`, or a client of iovalkey
   * or ioredis, for clusters: Warren copies its settings and opens its own connections. Without it, tasks have no results and
   * handles cannot wait.
   */
  readonly results?: string | StoreClient | undefined
  /** The connections' name on RabbitMQ's management page. Default `warren`. */
  readonly name?: string | undefined
  /**
   * The logger: a pino logger, the console, or another with the same four methods; `false` for none. Default: JSON lines on
   * standard error.
   */
  readonly logger?: Logger | false | undefined
  /** How long `send` waits for the broker's confirm before `UNCONFIRMED`, in milliseconds. Default 30,000. */
  readonly confirmTimeoutMs?: number | undefined
  /**
   * How many unconfirmed messages may be in flight. More is faster up to a point, but more are published again after a lost
   * connection. Default 1,000.
   */
  readonly maxUnconfirmed?: number | undefined
  /** How many unconfirmed bytes may be in flight. Default 16 MiB. */
  readonly maxUnconfirmedBytes?: number | undefined
  /** The largest message that `send` accepts, in bytes. Default 4 MiB. RabbitMQ 4 refuses more than 16 MiB. */
  readonly maxMessageBytes?: number | undefined
  /** How long the store keeps results, in milliseconds. Default one day. */
  readonly resultTtlMs?: number | undefined
  /** How much of the history is kept, or `false` for none. Default: 1,000,000 entries, each as long as a result. */
  readonly history?: HistoryOptions | false | undefined
  /** How long `connect()` tries before it rejects, in milliseconds. Default 10,000. */
  readonly connectTimeoutMs?: number | undefined
  /** AMQP heartbeat in seconds. A proxy in between needs much longer timeouts. Default 10. */
  readonly heartbeatSeconds?: number | undefined
}

export const CONNECT_DEFAULTS = {
  name: 'warren',
  confirmTimeoutMs: defaults.confirmTimeoutMs,
  maxUnconfirmed: defaults.maxUnconfirmed,
  maxUnconfirmedBytes: defaults.maxUnconfirmedBytes,
  maxMessageBytes: defaults.maxMessageBytes,
  resultTtlMs: defaults.resultTtlMs,
  connectTimeoutMs: defaults.connectTimeoutMs,
  heartbeatSeconds: defaults.heartbeatSeconds,
}

export const CONNECT_CHECKS = {
  broker: is.secret(is.anyOf(is.text, is.listOf(is.text, 'a list of them, not empty'))),
  results: is.secret(is.anyOf(is.text, storeClient)),
  name: is.text,
  logger: is.secret(is.anyOf(is.value(false), isLogger)),
  confirmTimeoutMs: is.duration(1, { forever: true }),
  maxUnconfirmed: is.integer(1, 100_000),
  maxUnconfirmedBytes: is.integer(1),
  maxMessageBytes: is.integer(1),
  resultTtlMs: is.duration(1),
  history: is.anyOf(is.value(false), is.record),
  connectTimeoutMs: is.duration(1, { forever: true }),
  heartbeatSeconds: is.integer(1, 60),
}
