/** The workers on Kubernetes: they drain when they are stopped, and come and go with the work. Pure. */
import type { IScaledObject, ITriggerAuthentication } from '@kubernetes-models/keda/keda.sh/v1alpha1'
import type { IDeployment } from 'kubernetes-models/apps/v1'
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { createAccount, createInvoice, SERVICE } from '../../demo/tasks.js'
import { userSecret } from './broker.js'
import { CLUSTER, labels, meta, STORE, WORKER } from './names.js'

const HTTP_PORT = 9000
const GRACE_SECONDS = 30
/** So many tasks, waiting and held, are enough for one more worker. */
const TASKS_PER_WORKER = 10

/** Makes a password readable as `<user>_password` in the folder of secrets. */
const passwordOf = (user: string, secret: string) => ({
  secret: { name: secret, items: [{ key: 'password', path: `${user}_password` }] },
})

export const workers = (image: string): IDeployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: meta(WORKER),
  spec: {
    // No `replicas`: applying this again must not undo what the scaler has set.
    selector: { matchLabels: labels(WORKER) },
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    template: {
      metadata: { labels: labels(WORKER) },
      spec: {
        // SIGTERM, then the worker drains; Kubernetes waits longer than that takes.
        terminationGracePeriodSeconds: GRACE_SECONDS + 15,
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
            name: WORKER,
            image,
            command: ['node', 'dist/demo/worker.js'],
            env: [
              { name: 'WARREN_BROKER', value: `amqp://service@${CLUSTER}:5672` },
              { name: 'WARREN_RESULTS', value: `redis://results@${STORE}:6379` },
              { name: 'WARREN_SECRETS_DIR', value: '/run/secrets/warren' },
              { name: 'WARREN_HTTP_HOST', value: '0.0.0.0' },
              { name: 'WARREN_HTTP_PORT', value: String(HTTP_PORT) },
              { name: 'WARREN_GRACE_MS', value: String(GRACE_SECONDS * 1000) },
              { name: 'WARREN_WORKER_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
            ],
            ports: [{ name: 'http', containerPort: HTTP_PORT }],
            readinessProbe: { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 5 },
            // Only whether it answers at all: a worker that waits for its broker must not be killed for that.
            livenessProbe: { tcpSocket: { port: 'http' }, periodSeconds: 15, failureThreshold: 4 },
            startupProbe: { tcpSocket: { port: 'http' }, periodSeconds: 2, failureThreshold: 60 },
            resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
            securityContext: {
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ['ALL'] },
            },
            volumeMounts: [
              { name: 'secrets', mountPath: '/run/secrets/warren', readOnly: true },
              { name: 'tmp', mountPath: '/tmp' },
            ],
          },
        ],
        volumes: [
          {
            name: 'secrets',
            projected: {
              defaultMode: 0o440,
              sources: [passwordOf('service', userSecret('service')), passwordOf('results', `${STORE}-results`)],
            },
          },
          { name: 'tmp', emptyDir: {} },
        ],
      },
    },
  },
})

export const workersBudget = (): IPodDisruptionBudget => ({
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: meta(WORKER),
  spec: { maxUnavailable: 1, selector: { matchLabels: labels(WORKER) } },
})

/** The management address with the user `operator`, in a Secret under `host`. */
export const scalerAuthentication = (): ITriggerAuthentication => ({
  apiVersion: 'keda.sh/v1alpha1',
  kind: 'TriggerAuthentication',
  metadata: meta(`${WORKER}-scaler`),
  spec: { secretTargetRef: [{ parameter: 'host', name: `${WORKER}-scaler`, key: 'host' }] },
})

/**
 * On messages ready plus unacknowledged, which only KEDA's HTTP protocol counts: on ready ones alone, workers that hold the last
 * tasks would be taken away from under them.
 */
export const scaler = (): IScaledObject => ({
  apiVersion: 'keda.sh/v1alpha1',
  kind: 'ScaledObject',
  metadata: meta(WORKER),
  spec: {
    scaleTargetRef: { name: WORKER },
    minReplicaCount: 1,
    maxReplicaCount: 20,
    pollingInterval: 10,
    advanced: {
      // Up at once; down slowly, since each stop drains a worker.
      horizontalPodAutoscalerConfig: {
        behavior: {
          scaleDown: {
            stabilizationWindowSeconds: 300,
            policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }],
          },
        },
      },
    },
    triggers: [createAccount, createInvoice].map(({ name }) => ({
      type: 'rabbitmq',
      metadata: {
        protocol: 'http',
        mode: 'QueueLength',
        value: String(TASKS_PER_WORKER),
        excludeUnacknowledged: 'false',
        queueName: `${name}.${SERVICE}`,
        vhostName: '/',
      },
      authenticationRef: { name: `${WORKER}-scaler` },
    })),
  },
})
