/** A worker's HTTP server: `/healthz` for orchestrators and load balancers, `/metrics` for Prometheus. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { MissingPackageError, textOf } from '../errors/index.js'
import { checkOptions, is } from '../options.js'
import type { ObservedWorker } from './health.js'
import { workerMetrics } from './metrics.js'
import type { MetricsRegistry } from './metricsRegistry.js'
import { registryProblem } from './registry.js'

export interface ServeOptions {
  /** 0 selects a free port. */
  readonly port: number
  /** Default `127.0.0.1`: the page has no sign-in. In a container, `0.0.0.0`. */
  readonly host?: string
  /** A `Registry` of prom-client, whose metrics are served beside those of the worker. */
  readonly registry?: MetricsRegistry
}

export interface WorkerServer {
  readonly url: string
  close(): Promise<void>
}

/** Serves until `close()`. `/healthz` answers 200 if the worker is fully working, otherwise 503 with the same body. */
export async function serveWorker(worker: ObservedWorker, options: ServeOptions): Promise<WorkerServer> {
  checkOptions('serveWorker', options, { port: is.integer(0, 65_535), host: is.text, registry: isRegistry }, ['port'])
  const registry = metricsOf(worker, options.registry)
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0]
    if (path === '/healthz') {
      const health = worker.health()
      response.writeHead(health.ready ? 200 : 503, { 'content-type': 'application/json' })
      response.end(`${JSON.stringify(health)}\n`)
    } else if (path === '/metrics') {
      if (registry instanceof MissingPackageError) {
        response.writeHead(501, { 'content-type': 'text/plain' }).end(`${registry.message}\n`)
        return
      }
      registry.metrics().then(
        (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
        (error: unknown) => response.writeHead(500, { 'content-type': 'text/plain' }).end(`${textOf(error)}\n`),
      )
    } else {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('Here are /healthz and /metrics.\n')
    }
  })
  const host = options.host ?? '127.0.0.1'
  await new Promise<void>((resolve, reject) => {
    // Stays registered: without a listener, a later error of the server would end the process.
    server.on('error', reject)
    server.listen(options.port, host, resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const isRegistry = (value: unknown): string | undefined =>
  registryProblem(value) === undefined ? undefined : 'a Registry of prom-client'

/** Or the reason why there are none: prom-client is optional, and `/healthz` does not need it. */
function metricsOf(
  worker: ObservedWorker,
  registry: MetricsRegistry | undefined,
): MetricsRegistry | MissingPackageError {
  try {
    return registry === undefined ? workerMetrics(worker) : workerMetrics(worker, registry)
  } catch (error) {
    if (error instanceof MissingPackageError) return error
    throw error
  }
}
