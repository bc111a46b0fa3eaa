/** A real Prometheus beside the tests' cluster, with the generated rules, scraping what the local cluster scrapes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { alertRules } from '../../monitoring/alerts.js'
import { prometheusConfig } from '../../monitoring/scraping.js'
import { testCluster, until } from './cluster.js'

export interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [number, string]
}

/**
 * Windows of minutes and waits of half a minute would make a test of minutes: in here they are seconds. What is asked and
 * compared is the same.
 */
export const shortened = (expression: string): string =>
  expression
    .replaceAll('$__rate_interval', '10s')
    .replaceAll('$__range', '1m')
    .replaceAll(/offset \d+[sm]/g, 'offset 4s')
    .replaceAll('[30s]', '[4s]')

export class TestPrometheus {
  #process: ChildProcess | undefined
  #url = ''
  #log = ''

  async start(): Promise<void> {
    const folder = join(testCluster().dir, 'prometheus-of-tests')
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder)
    // Which the cluster writes whenever it is scaled, whether its own Prometheus runs or not.
    symlinkSync(join(testCluster().dir, 'prometheus', 'targets'), join(folder, 'targets'))
    const config = {
      ...prometheusConfig('local'),
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    }
    writeFileSync(join(folder, 'prometheus.yml'), stringify(config))
    writeFileSync(join(folder, 'alerts.yml'), stringify(shortenedRules()))
    const port = await freePort()
    this.#url = `http://127.0.0.1:${port}`
    const child = spawn(
      'prometheus',
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env.PATH, GOMAXPROCS: '1' } },
    )
    this.#process = child
    let failure: Error | undefined
    child.on('error', (error) => (failure = error))
    child.stderr?.on('data', (text) => (this.#log += text))
    await until('Prometheus is ready', async () => {
      if (failure) throw failure
      if (child.exitCode !== null) throw new Error(`Prometheus exited with ${child.exitCode}: ${this.#log}`)
      return fetch(`${this.#url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      )
    })
  }

  async stop(): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
  }

  /** Throws Prometheus' own words when it does not understand the expression. */
  query = (expression: string): Promise<Sample[]> =>
    this.#get<{ result: Sample[] }>(`query?query=${encodeURIComponent(expression)}`).then(({ result }) => result)

  /** The names of all metrics that its targets tell of, those without a sample yet among them. */
  async metricNames(): Promise<Set<string>> {
    const all = await this.#get<{ metric: string; type: string }[]>('targets/metadata')
    return new Set(
      all.flatMap(({ metric, type }) =>
        type === 'histogram' ? [metric, `${metric}_bucket`, `${metric}_count`, `${metric}_sum`] : [metric],
      ),
    )
  }

  async targets(): Promise<{ job: string; health: string; lastError: string }[]> {
    const { activeTargets } = await this.#get<{
      activeTargets: { labels: { job: string }; health: string; lastError: string }[]
    }>('targets?state=active')
    return activeTargets.map(({ labels, health, lastError }) => ({ job: labels.job, health, lastError }))
  }

  async firing(): Promise<string[]> {
    const { alerts } = await this.#get<{
      alerts: { labels: { alertname: string; queue?: string }; state: string }[]
    }>('alerts')
    // Queues that other tests left behind have alerts of their own.
    const ours = (queue: string | undefined) =>
      queue === undefined || /\.(demo-service|dlq)$|^warren\.delay\.level\.\d+$/.test(queue)
    const firing = alerts.filter(({ state, labels }) => state === 'firing' && ours(labels.queue))
    return [...new Set(firing.map(({ labels }) => labels.alertname))]
  }

  async #get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.#url}/api/v1/${path}`, { signal: AbortSignal.timeout(10_000) })
    const body = (await response.json()) as { status: string; data: T; error?: string }
    if (body.status !== 'success') throw new Error(`${path}: ${body.error}`)
    return body.data
  }
}

function shortenedRules(): Record<string, unknown> {
  const { groups } = alertRules() as { groups: { name: string; rules: { expr: string; for: string }[] }[] }
  return {
    groups: groups.map(({ name, rules }) => ({
      name,
      rules: rules.map((rule) => ({ ...rule, expr: shortened(rule.expr), for: rule.for === '0s' ? '0s' : '2s' })),
    })),
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      )
    })
  })
}
