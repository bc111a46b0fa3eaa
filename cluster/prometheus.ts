/** Prometheus, where it is installed, and what tells it of the store. What it scrapes stands in files that it reads again by itself. */
import { copyFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { configFile, repositoryRoot } from './folder.js'
import { LOOPBACK, NODE_NUMBERS, ports } from './ports.js'
import type { ProcessDefinition } from './processDefinition.js'
import type { Settings } from './settings.js'
import { storeAddress } from './store.js'

export function prometheus(settings: Settings, command: string): ProcessDefinition {
  const { folder, ports: plan } = settings
  const port = ports.prometheus(plan)
  const own = folder.of('prometheus')
  return {
    name: 'prometheus',
    kind: 'prometheus',
    ports: [port],
    logFile: folder.log('prometheus'),
    pidFile: folder.pidFile('prometheus'),
    launch: () => {
      mkdirSync(own, { recursive: true, mode: 0o700 })
      for (const file of ['prometheus.yml', 'alerts.yml']) copyFileSync(configFile('prometheus', file), join(own, file))
      const args = [
        `--config.file=${join(own, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(own, 'data')}`,
        '--storage.tsdb.retention.time=2d',
        `--web.listen-address=${LOOPBACK}:${port}`,
        `--web.external-url=http://${LOOPBACK}:${plan.edge}/prometheus/`,
      ]
      return { command, args, env: { PATH: process.env.PATH, HOME: own, GOMAXPROCS: '1' }, cwd: own }
    },
    ready: async (signal) => {
      const response = await fetch(`http://${LOOPBACK}:${port}/prometheus/-/ready`, { signal })
      return response.ok ? undefined : `it answers ${response.status}`
    },
    readyTimeoutMs: 30_000,
    stopTimeoutMs: 15_000,
    repeatSigterm: false,
    supervised: false,
  }
}

/** The store has no page for Prometheus; this process reads its figures. */
export function storeExporter(settings: Settings): ProcessDefinition {
  const { folder, ports: plan } = settings
  const port = ports.storeMetrics(plan)
  return {
    name: 'store-exporter',
    kind: 'prometheus',
    ports: [port],
    logFile: folder.log('store-exporter'),
    pidFile: folder.pidFile('store-exporter'),
    launch: () => ({
      command: process.execPath,
      args: [join(repositoryRoot(), 'dist', 'monitoring', 'storeExporter.js')],
      env: {
        PATH: process.env.PATH,
        WARREN_RESULTS: storeAddress(settings),
        WARREN_HTTP_PORT: String(port),
      },
      cwd: folder.path,
    }),
    // It answers also while the store is away.
    ready: async (signal) => {
      const response = await fetch(`http://${LOOPBACK}:${port}/metrics`, { signal })
      return response.ok ? undefined : `it answers ${response.status}`
    },
    readyTimeoutMs: 15_000,
    stopTimeoutMs: 5_000,
    repeatSigterm: false,
    supervised: false,
  }
}

/** Writes what is to be scraped. Each file is replaced at once, so that Prometheus never reads half of one. */
export function writeTargets({ folder, ports: plan }: Settings, workers: readonly number[]): void {
  const targets = {
    rabbitmq: NODE_NUMBERS.map((node) => ({ port: ports.nodeMetrics(plan, node), name: `rabbitmq-${node}` })),
    haproxy: [{ port: plan.edge, name: 'haproxy' }],
    store: [{ port: ports.storeMetrics(plan), name: 'store-exporter' }],
    workers: workers.map((worker) => ({ port: ports.worker(plan, worker), name: `worker-${worker}` })),
  }
  const own = folder.of('prometheus', 'targets')
  mkdirSync(own, { recursive: true, mode: 0o700 })
  for (const [file, list] of Object.entries(targets)) {
    const entries = list.map(({ port, name }) => ({ targets: [`${LOOPBACK}:${port}`], labels: { instance: name } }))
    writeFileSync(join(own, `${file}.json.new`), JSON.stringify(entries, undefined, 2))
    renameSync(join(own, `${file}.json.new`), join(own, `${file}.json`))
  }
}
