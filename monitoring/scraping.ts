/** What Prometheus scrapes, in its two forms: for the local cluster and for docker compose. Pure. */

/** Where the targets of a job come from. */
type Discovery =
  /** Files beside the configuration, which the local cluster rewrites when it is scaled. */
  | { readonly files: string }
  /** One name for each server. */
  | { readonly servers: readonly string[]; readonly port: number }
  /** One name for many: each of its addresses is a target, so that workers are found as they scale. */
  | { readonly name: string; readonly port: number }

interface Job {
  readonly name: string
  readonly path?: string
  readonly params?: Readonly<Record<string, readonly string[]>>
  readonly local: Discovery
  readonly compose: Discovery
}

const NODES: Pick<Job, 'local' | 'compose'> = {
  local: { files: 'targets/rabbitmq.json' },
  compose: { servers: ['rabbitmq-1', 'rabbitmq-2', 'rabbitmq-3'], port: 15692 },
}

const JOBS: readonly Job[] = [
  { name: 'rabbitmq', ...NODES },
  {
    name: 'rabbitmq-queues',
    // /metrics is summed up over the whole node; panels for one queue need these families.
    path: '/metrics/detailed',
    params: { family: ['queue_coarse_metrics', 'queue_consumer_count'] },
    ...NODES,
  },
  {
    name: 'haproxy',
    path: '/haproxy/metrics',
    local: { files: 'targets/haproxy.json' },
    compose: { servers: ['haproxy'], port: 8000 },
  },
  { name: 'workers', local: { files: 'targets/workers.json' }, compose: { name: 'worker', port: 9000 } },
  {
    name: 'store',
    local: { files: 'targets/store.json' },
    compose: { servers: ['store-exporter'], port: 9000 },
  },
]

export type Deployment = 'local' | 'compose'

const SCRAPE_SECONDS = 5

/** Prometheus' configuration, as an object to be written as YAML. */
export function prometheusConfig(deployment: Deployment): Record<string, unknown> {
  return {
    global: {
      scrape_interval: `${SCRAPE_SECONDS}s`,
      scrape_timeout: `${SCRAPE_SECONDS - 1}s`,
      evaluation_interval: '5s',
    },
    rule_files: ['alerts.yml'],
    scrape_configs: JOBS.map((job) => ({
      job_name: job.name,
      ...(job.path === undefined ? {} : { metrics_path: job.path }),
      ...(job.params === undefined ? {} : { params: job.params }),
      ...discovery(job[deployment]),
    })),
  }
}

function discovery(from: Discovery): Record<string, unknown> {
  if ('files' in from) return { file_sd_configs: [{ files: [from.files], refresh_interval: '5s' }] }
  if ('name' in from) {
    return { dns_sd_configs: [{ names: [from.name], type: 'A', port: from.port, refresh_interval: '5s' }] }
  }
  return {
    static_configs: from.servers.map((name) => ({ targets: [`${name}:${from.port}`], labels: { instance: name } })),
  }
}
