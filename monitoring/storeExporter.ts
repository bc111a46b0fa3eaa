/**
 * The result store's own figures for Prometheus: `node dist/monitoring/storeExporter.js`. Names are those of the widely
 * used exporter for Redis, so that it can take this one's place.
 *
 * Set up by WARREN_RESULTS, WARREN_HTTP_PORT and WARREN_HTTP_HOST. It keeps running while the store is unavailable, and reports
 * that.
 */
import { createServer, type Server } from 'node:http'
import { fileURLToPath } from 'node:url'
import { Redis } from 'iovalkey'
import { storeOptions } from 'warren'
import { isStoreAddress, withPassword } from '../demo/secrets.js'

interface Figure {
  readonly metric: string
  readonly type: 'gauge' | 'counter'
  readonly help: string
  /** The line of INFO that it is taken from. */
  readonly field: string
}

const figure = (type: Figure['type'], metric: string, field: string, help: string): Figure => ({
  type,
  metric,
  field,
  help,
})

export const FIGURES: readonly Figure[] = [
  figure('gauge', 'redis_uptime_in_seconds', 'uptime_in_seconds', 'Since the store was started.'),
  figure('gauge', 'redis_connected_clients', 'connected_clients', 'Connections of clients.'),
  figure('gauge', 'redis_blocked_clients', 'blocked_clients', 'Clients that wait in a blocking command.'),
  figure('gauge', 'redis_memory_used_bytes', 'used_memory', 'Memory that the store uses.'),
  figure('gauge', 'redis_memory_max_bytes', 'maxmemory', 'Memory that the store may use; 0 is no limit.'),
  figure('counter', 'redis_commands_processed_total', 'total_commands_processed', 'Commands.'),
  figure('counter', 'redis_keyspace_hits_total', 'keyspace_hits', 'Reads that found their key.'),
  figure('counter', 'redis_keyspace_misses_total', 'keyspace_misses', 'Reads that did not.'),
  figure('counter', 'redis_expired_keys_total', 'expired_keys', 'Expired keys.'),
  figure(
    'counter',
    'redis_evicted_keys_total',
    'evicted_keys',
    'Keys dropped because the memory was full; should stay 0.',
  ),
  figure('gauge', 'redis_pubsub_channels', 'pubsub_channels', 'Channels with a subscriber.'),
]

/** The answer of INFO in Prometheus' text format; undefined is a store that did not answer. Pure. */
export function exposition(info: string | undefined): string {
  const lines = [
    '# HELP redis_up 1 when the store answers, else 0.',
    '# TYPE redis_up gauge',
    `redis_up ${info === undefined ? 0 : 1}`,
  ]
  if (info === undefined) return `${lines.join('\n')}\n`
  const fields = new Map(info.split(/\r?\n/).map((line) => line.split(':', 2) as [string, string]))
  for (const { metric, type, help, field } of FIGURES) {
    const value = Number(fields.get(field))
    if (!Number.isNaN(value)) lines.push(`# HELP ${metric} ${help}`, `# TYPE ${metric} ${type}`, `${metric} ${value}`)
  }
  lines.push('# HELP redis_aof_last_write_ok 1 when the last write to the append-only file went well.')
  lines.push('# TYPE redis_aof_last_write_ok gauge')
  lines.push(`redis_aof_last_write_ok ${fields.get('aof_last_write_status') === 'ok' ? 1 : 0}`)
  lines.push('# HELP redis_db_keys Keys by database.', '# TYPE redis_db_keys gauge')
  for (const [field, value] of fields) {
    const [, keys] = /^keys=(\d+)/.exec(value ?? '') ?? []
    if (/^db\d+$/.test(field) && keys !== undefined) lines.push(`redis_db_keys{db="${field}"} ${keys}`)
  }
  return `${lines.join('\n')}\n`
}

const ANSWER_MS = 2_000

/** Serves `/metrics` until the server is closed; with it closes the connection to the store. */
export function serveStoreMetrics(address: string, port: number, host: string): Server {
  const store = new Redis({
    ...storeOptions(address),
    connectionName: 'warren-store-exporter',
    // A scrape while the store is away must not wait for it.
    enableOfflineQueue: false,
    commandTimeout: ANSWER_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: (times) => Math.min(times * 200, 2_000),
  })
  // It connects again by itself; redis_up shows it.
  store.on('error', () => {})
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('Here is /metrics.\n')
      return
    }
    const answer = (info: string | undefined) =>
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(exposition(info))
    store.info().then(answer, () => answer(undefined))
  })
  server.on('close', () => store.disconnect())
  return server.listen(port, host)
}

function run(env: NodeJS.ProcessEnv): void {
  const address = withPassword(env.WARREN_RESULTS ?? '', env)
  const port = Number(env.WARREN_HTTP_PORT || 9121)
  if (!isStoreAddress(address) || !Number.isInteger(port)) {
    process.stderr.write(
      'store exporter: expected WARREN_RESULTS as redis://host:port or sentinel://host:port/NAME, and WARREN_HTTP_PORT as a number\n',
    )
    process.exit(2)
  }
  const server = serveStoreMetrics(address, port, env.WARREN_HTTP_HOST || '127.0.0.1')
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      server.close()
      server.closeAllConnections()
    })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) run(process.env)
