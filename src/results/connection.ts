/**
 * How the result store is connected to. `results` of `connect()` is an address, of a server or of Sentinels, or a client
 * of the user's: an iovalkey or ioredis `Redis`, which may know Sentinels, too, or a `Cluster`. Of a client only the settings are taken: Warren opens
 * connections of its own, with its own ways to wait and to reconnect, and neither uses nor closes the client.
 */
import { type Cluster, Redis } from 'iovalkey'
import { jittered } from '../amqp/backoff.js'
import { OptionsError } from '../errors/index.js'
import { memberOf } from '../kinds.js'
import { BEGIN, EVENTS, STORE, type StoreCommands } from './script.js'
import { isSentinelAddress, parseStoreAddress } from './storeAddress.js'

/** A `Redis` or `Cluster` of iovalkey or ioredis. */
export interface StoreClient {
  readonly isCluster: boolean
  readonly options: object
  duplicate(...args: never[]): unknown
}

/** A connection for commands, or for announcements. */
export type StoreConnection = Redis & StoreCommands

/** Where the store is, and how to make a connection to it, which opens no socket. */
export interface StoreTarget {
  /** Without user and password. */
  readonly address: string
  /** Whether each command and script must keep to the keys of one slot. */
  readonly cluster: boolean
  connection(connectTimeoutMs: number): StoreConnection
}

/** Node's longest timer, which the client uses. */
const LONGEST_MS = 2 ** 31 - 1
/** An old primary is reconnected from no more often than this: its address may lead to it for some time yet. */
const READONLY_RECONNECT_MS = 1_000
/** A Sentinel that takes a connection and does not answer, such as a frozen one, is passed over. */
const SENTINEL_ANSWER_MS = 2_000

/** What is expected beside an address; undefined when `value` is that. */
export function storeClient(value: unknown): string | undefined {
  const is =
    typeof memberOf(value, 'isCluster') === 'boolean' &&
    typeof memberOf(value, 'options') === 'object' &&
    typeof memberOf(value, 'duplicate') === 'function'
  return is ? undefined : 'a Redis or Cluster client of iovalkey or ioredis'
}

/** Reads `results`, once it is known to be a text or a client. Throws `OptionsError`, which shows nothing of it. */
export function parseResults(where: string, results: string | StoreClient): StoreTarget {
  if (typeof results === 'string') {
    const { shown: address, options } = parseStoreAddress(where, results)
    // The client reads more from a URL than its parts, as `?family=6`.
    const href = isSentinelAddress(results) ? undefined : new URL(results).href.replace(/^valkey/, 'redis')
    const made = (ms: number) =>
      href === undefined ? new Redis({ ...options, ...settings(ms) }) : new Redis(href, settings(ms))
    return { address, cluster: false, connection: (ms) => withScripts(made(ms)) }
  }
  if (memberOf(results.options, 'keyPrefix')) {
    throw new OptionsError(where, ['expected a client without keyPrefix: the keys are those that Celery knows'])
  }
  try {
    return results.isCluster ? clusterTarget(results as unknown as Cluster) : clientTarget(results as unknown as Redis)
  } catch {
    // Not the error's text: it may hold what the client holds.
    throw new OptionsError(where, ['expected a Redis or Cluster client of iovalkey or ioredis, got another object'])
  }
}

/** Opens no socket. What only looks like a client shows here. */
function connectionOf(duplicate: () => unknown): StoreConnection {
  let made: unknown
  try {
    made = duplicate()
  } catch {
    // Not the error's text: it may hold what the client holds.
  }
  if (typeof memberOf(made, 'defineCommand') === 'function') return withScripts(made as Redis | Cluster)
  throw new OptionsError('connect: results', ['expected a client whose duplicate() returns another one'])
}

function clientTarget(client: Redis): StoreTarget {
  const { host, port, path, sentinels, name } = client.options
  const address =
    sentinels && sentinels.length > 0
      ? `sentinel://${sentinels.map((each) => `${each.host ?? '127.0.0.1'}:${each.port ?? 26379}`).join(',')}/${name}`
      : (path ?? `redis://${host}:${port}`)
  return { address, cluster: false, connection: (ms) => connectionOf(() => client.duplicate(settings(ms))) }
}

function clusterTarget(client: Cluster): StoreTarget {
  const { options } = client
  const { connectTimeout, noDelay } = settings(LONGEST_MS)
  // What it was made with, which the client keeps to itself.
  const { startupNodes } = client as unknown as { startupNodes: readonly (string | number | object)[] }
  return {
    address: startupNodes.map(nodeAddress).join(','),
    cluster: true,
    connection: (ms) =>
      connectionOf(() =>
        client.duplicate([], {
          lazyConnect: true,
          scaleReads: 'master',
          enableOfflineQueue: true,
          // It groups scripts by their count of keys instead of their slot.
          enableAutoPipelining: false,
          clusterRetryStrategy: (failures: number) => jittered(50, failures, 2_000),
          redisOptions: { ...options.redisOptions, noDelay, connectTimeout: Math.min(ms, connectTimeout) },
        }),
      ),
  }
}

function nodeAddress(node: string | number | object): string {
  if (typeof node === 'number') return `redis://127.0.0.1:${node}`
  if (typeof node === 'string') {
    const url = URL.canParse(node) ? new URL(node) : undefined
    return url === undefined ? 'redis cluster' : `${url.protocol}//${url.host}`
  }
  const { host = '127.0.0.1', port = 6379 } = node as { host?: string; port?: number }
  return `redis://${host}:${port}`
}

function settings(connectTimeoutMs: number) {
  let reconnectedAt = Number.NEGATIVE_INFINITY
  return {
    lazyConnect: true,
    connectTimeout: Math.min(connectTimeoutMs, LONGEST_MS),
    noDelay: true,
    enableAutoPipelining: true,
    enableOfflineQueue: true,
    autoResubscribe: true,
    autoResendUnfulfilledCommands: true,
    // Commands wait for the store rather than fail: whoever must not wait has a time limit of its own.
    maxRetriesPerRequest: null,
    sentinelCommandTimeout: SENTINEL_ANSWER_MS,
    retryStrategy: (failures: number) => jittered(50, failures, 2_000),
    /** After a failover the old primary keeps its connections and refuses to write. 2: on a new one, the command again. */
    reconnectOnError: (error: Error) => {
      if (!/\bREADONLY\b/.test(error.message) || performance.now() - reconnectedAt < READONLY_RECONNECT_MS) return false
      reconnectedAt = performance.now()
      return 2 as const
    },
  }
}

function withScripts(connection: Redis | Cluster): StoreConnection {
  connection.defineCommand('warrenStore', { lua: STORE })
  connection.defineCommand('warrenEvents', { lua: EVENTS })
  connection.defineCommand('warrenBegin', { lua: BEGIN, numberOfKeys: 1 })
  // A `Cluster` has all of what Warren calls.
  return connection as unknown as StoreConnection
}
