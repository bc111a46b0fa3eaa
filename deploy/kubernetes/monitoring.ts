/**
 * Scraping and alerts on Kubernetes, by the Prometheus Operator: what docker compose's Prometheus scrapes, and the same alerts. Pure.
 * The types are those of the operator's `monitoring.coreos.com/v1`, as far as they are used.
 */
import type { IDeployment } from 'kubernetes-models/apps/v1'
import { type AlertRule, alertRules } from '../../monitoring/alerts.js'
import { CLUSTER, labels, meta, STORE, WORKER } from './names.js'

const EXPORTER = 'store-exporter'
const PORT = 9000

interface Relabeling {
  readonly sourceLabels?: readonly string[]
  readonly targetLabel: string
  readonly replacement?: string
}

interface Endpoint {
  readonly port: string
  readonly path?: string
  readonly params?: Readonly<Record<string, readonly string[]>>
  readonly interval: string
  readonly relabelings: readonly Relabeling[]
}

interface Monitoring<Kind extends string, Spec> {
  readonly apiVersion: 'monitoring.coreos.com/v1'
  readonly kind: Kind
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  readonly spec: Spec
}

type PodMonitor = Monitoring<
  'PodMonitor',
  {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> }
    readonly podMetricsEndpoints: readonly Endpoint[]
  }
>

/** The alerts know jobs by the names that compose gives them, and a node or worker as its instance. */
const endpoint = (job: string, port: string, more: Pick<Endpoint, 'path' | 'params'> = {}): Endpoint => ({
  port,
  ...more,
  interval: '15s',
  relabelings: [
    { targetLabel: 'job', replacement: job },
    { sourceLabels: ['__meta_kubernetes_pod_name'], targetLabel: 'instance' },
  ],
})

const monitor = (
  name: string,
  matchLabels: Readonly<Record<string, string>>,
  podMetricsEndpoints: readonly Endpoint[],
): PodMonitor => ({
  apiVersion: 'monitoring.coreos.com/v1',
  kind: 'PodMonitor',
  metadata: meta(name),
  spec: { selector: { matchLabels }, podMetricsEndpoints },
})

/** The Cluster Operator's pods carry the cluster's name, and call the port of the plugin `prometheus`. */
export const nodeMonitor = (): PodMonitor =>
  monitor('rabbitmq', { 'app.kubernetes.io/name': CLUSTER }, [
    endpoint('rabbitmq', 'prometheus'),
    endpoint('rabbitmq-queues', 'prometheus', {
      path: '/metrics/detailed',
      params: { family: ['queue_coarse_metrics', 'queue_consumer_count'] },
    }),
  ])

export const workerMonitor = (): PodMonitor => monitor('workers', labels(WORKER), [endpoint('workers', 'http')])

export const storeMonitor = (): PodMonitor => monitor('store', labels(EXPORTER), [endpoint('store', 'http')])

/** What the store says of itself, in Prometheus' format. */
export const storeExporter = (image: string): IDeployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: meta(EXPORTER),
  spec: {
    replicas: 1,
    selector: { matchLabels: labels(EXPORTER) },
    template: {
      metadata: { labels: labels(EXPORTER) },
      spec: {
        automountServiceAccountToken: false,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 1000,
          runAsGroup: 1000,
          fsGroup: 1000,
          seccompProfile: { type: 'RuntimeDefault' },
        },
        containers: [
          {
            name: EXPORTER,
            image,
            command: ['node', 'dist/monitoring/storeExporter.js'],
            env: [
              { name: 'WARREN_RESULTS', value: `redis://results@${STORE}:6379` },
              { name: 'WARREN_SECRETS_DIR', value: '/run/secrets/warren' },
              { name: 'WARREN_HTTP_HOST', value: '0.0.0.0' },
              { name: 'WARREN_HTTP_PORT', value: String(PORT) },
            ],
            ports: [{ name: 'http', containerPort: PORT }],
            readinessProbe: { httpGet: { path: '/metrics', port: 'http' }, periodSeconds: 15, timeoutSeconds: 5 },
            resources: { requests: { cpu: '20m', memory: '64Mi' }, limits: { memory: '128Mi' } },
            securityContext: {
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ['ALL'] },
            },
            volumeMounts: [{ name: 'secrets', mountPath: '/run/secrets/warren', readOnly: true }],
          },
        ],
        volumes: [
          {
            name: 'secrets',
            secret: {
              secretName: `${STORE}-results`,
              defaultMode: 0o440,
              items: [{ key: 'password', path: 'results_password' }],
            },
          },
        ],
      },
    },
  },
})

/** `runbooks` is the page that has a heading for each alert. */
export const rules = (
  runbooks: string,
): Monitoring<'PrometheusRule', { readonly groups: readonly { name: string; rules: readonly AlertRule[] }[] }> => ({
  apiVersion: 'monitoring.coreos.com/v1',
  kind: 'PrometheusRule',
  metadata: meta('warren'),
  spec: alertRules(runbooks),
})
