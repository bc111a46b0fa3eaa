/** The result store on Kubernetes: one Valkey with its data on a volume, with the files that docker compose uses. Pure. */
import type { IStatefulSet } from 'kubernetes-models/apps/v1'
import type { IConfigMap, IService } from 'kubernetes-models/v1'
import { labels, meta, STORE } from './names.js'

const PORT = 6379

/** `files` by name: `valkey.conf` and `start.sh` of config/valkey. */
export const storeFiles = (files: Readonly<Record<string, string>>): IConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: meta(STORE),
  data: { ...files },
})

export const storeService = (): IService => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: meta(STORE),
  spec: { clusterIP: 'None', selector: labels(STORE), ports: [{ name: 'redis', port: PORT, targetPort: 'redis' }] },
})

const ping = {
  exec: {
    command: [
      'sh',
      '-c',
      'REDISCLI_AUTH=$(cat /run/secrets/results_password) valkey-cli --user results ping | grep -q PONG',
    ],
  },
}

export const store = (image: string): IStatefulSet => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: meta(STORE),
  spec: {
    serviceName: STORE,
    replicas: 1,
    selector: { matchLabels: labels(STORE) },
    template: {
      metadata: { labels: labels(STORE) },
      spec: {
        terminationGracePeriodSeconds: 30,
        automountServiceAccountToken: false,
        // The user valkey of the image.
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 999,
          runAsGroup: 1000,
          fsGroup: 1000,
          seccompProfile: { type: 'RuntimeDefault' },
        },
        containers: [
          {
            name: STORE,
            image,
            command: ['sh', '/etc/valkey/start.sh'],
            ports: [{ name: 'redis', containerPort: PORT }],
            readinessProbe: { ...ping, periodSeconds: 5, timeoutSeconds: 5 },
            livenessProbe: { tcpSocket: { port: 'redis' }, periodSeconds: 15, failureThreshold: 4 },
            resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '512Mi' } },
            securityContext: {
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ['ALL'] },
            },
            volumeMounts: [
              { name: 'files', mountPath: '/etc/valkey', readOnly: true },
              { name: 'secrets', mountPath: '/run/secrets', readOnly: true },
              { name: 'data', mountPath: '/data' },
              { name: 'tmp', mountPath: '/tmp' },
            ],
          },
        ],
        volumes: [
          { name: 'files', configMap: { name: STORE } },
          {
            name: 'secrets',
            secret: {
              secretName: `${STORE}-results`,
              defaultMode: 0o440,
              items: [{ key: 'password', path: 'results_password' }],
            },
          },
          { name: 'tmp', emptyDir: {} },
        ],
      },
    },
    volumeClaimTemplates: [
      {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: { name: 'data' },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '2Gi' } } },
      },
    ],
  },
})
