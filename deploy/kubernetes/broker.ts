/**
 * RabbitMQ on Kubernetes, by RabbitMQ's own operators: the cluster (Cluster Operator), and the operator's part of the topology with
 * its users (Messaging Topology Operator). Pure. The types are those of the operators' `rabbitmq.com/v1beta1`, as far as they are used.
 */
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { demoDefinitions, users } from '../../demo/topology.js'
import { CLUSTER, meta } from './names.js'

interface Resource<Kind extends string, Spec> {
  readonly apiVersion: 'rabbitmq.com/v1beta1'
  readonly kind: Kind
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  readonly spec: Spec
}

interface Referring {
  readonly rabbitmqClusterReference: { readonly name: string }
}

export type RabbitmqCluster = Resource<
  'RabbitmqCluster',
  {
    readonly image: string
    readonly replicas: number
    readonly persistence: { readonly storage: string }
    readonly resources: { readonly requests: Quantities; readonly limits: Quantities }
    readonly affinity: object
    readonly rabbitmq: { readonly additionalConfig: string; readonly advancedConfig: string }
  }
>
type Quantities = Readonly<Record<'cpu' | 'memory', string>>

export type TopologyResource =
  | Resource<
      'Exchange',
      Referring & { name: string; type: string; durable: boolean; vhost: string; arguments?: object }
    >
  | Resource<'Queue', Referring & { name: string; type: string; durable: boolean; vhost: string; arguments?: object }>
  | Resource<
      'Binding',
      Referring & {
        source: string
        destination: string
        destinationType: 'queue' | 'exchange'
        routingKey: string
        vhost: string
      }
    >
  | Resource<
      'Policy',
      Referring & { name: string; pattern: string; applyTo: 'queues'; definition: object; vhost: string }
    >
  | Resource<'User', Referring & { tags: string[]; importCredentialsSecret: { name: string } }>
  | Resource<
      'Permission',
      Referring & {
        userReference: { name: string }
        vhost: string
        permissions: { configure: string; write: string; read: string }
      }
    >

const resource = <Kind extends string, Spec>(kind: Kind, name: string, spec: Spec): Resource<Kind, Spec> => ({
  apiVersion: 'rabbitmq.com/v1beta1',
  kind,
  metadata: meta(name),
  spec,
})

/** `key = value` of RabbitMQ's configuration files, each over the ones before it. */
function settings(...files: readonly string[]): string {
  const all = new Map<string, string>()
  for (const line of files.flatMap((file) => file.split('\n'))) {
    const [, key, value] = /^([\w.]+)\s*=\s*(.+)$/.exec(line) ?? []
    if (key !== undefined && value !== undefined) all.set(key, value)
  }
  // No edge stands in front of management here, so that it keeps its own path.
  all.delete('management.path_prefix')
  return [...all].map(([key, value]) => `${key} = ${value}\n`).join('')
}

/** The files of config/rabbitmq that a cluster is configured with. */
export interface RabbitmqFiles {
  readonly shared: string
  /** What production has otherwise. */
  readonly production: string
  readonly advanced: string
}

export function cluster(image: string, { shared, production, advanced }: RabbitmqFiles): RabbitmqCluster {
  return resource('RabbitmqCluster', CLUSTER, {
    image,
    replicas: 3,
    persistence: { storage: '20Gi' },
    resources: { requests: { cpu: '1', memory: '2Gi' }, limits: { cpu: '4', memory: '2Gi' } },
    // Three nodes on one machine are one machine.
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 100,
            podAffinityTerm: {
              labelSelector: { matchLabels: { 'app.kubernetes.io/name': CLUSTER } },
              topologyKey: 'kubernetes.io/hostname',
            },
          },
        ],
      },
    },
    rabbitmq: { additionalConfig: settings(shared, production), advancedConfig: advanced },
  })
}

/** Two of three nodes are a majority; the operator's pods carry the cluster's name. */
export const clusterBudget = (): IPodDisruptionBudget => ({
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: meta(`${CLUSTER}-nodes`),
  spec: { minAvailable: 2, selector: { matchLabels: { 'app.kubernetes.io/name': CLUSTER } } },
})

/** Names of objects have no dots and start with no slash; names in RabbitMQ do. */
const objectName = (name: string): string => name.replaceAll('.', '-')

/** A queue has one binding here, and may have the name of an exchange that others lead to. */
const bindingName = (source: string, destination: string, type: 'queue' | 'exchange'): string =>
  objectName(type === 'queue' ? destination : `${source}-to-${destination}`)

const argumentsOf = (given: object) => (Object.keys(given).length === 0 ? {} : { arguments: { ...given } })

/** The parts of RabbitMQ's definitions that become resources. */
interface Definitions {
  readonly exchanges: readonly { readonly name: string; readonly type: string; readonly arguments: object }[]
  readonly queues: readonly { readonly name: string; readonly arguments: { readonly 'x-queue-type': string } }[]
  readonly bindings: readonly {
    readonly source: string
    readonly destination: string
    readonly destination_type: 'queue' | 'exchange'
    readonly routing_key: string
    readonly arguments: object
  }[]
  readonly policies: readonly { readonly name: string; readonly pattern: string; readonly definition: object }[]
}

/** Everything that config/rabbitmq/definitions.json has, but for `admin`: the Cluster Operator makes an administrator itself. */
export function topology(): TopologyResource[] {
  const { exchanges, queues, bindings, policies } = demoDefinitions({}) as unknown as Definitions
  const rabbitmqClusterReference = { name: CLUSTER }
  const common = { vhost: '/', rabbitmqClusterReference }
  return [
    ...exchanges.map(({ name, type, arguments: more }) =>
      resource('Exchange', objectName(name), { name, type, durable: true, ...argumentsOf(more), ...common }),
    ),
    // The operator takes the type from `type` alone.
    ...queues.map(({ name, arguments: { 'x-queue-type': type, ...more } }) =>
      resource('Queue', objectName(name), { name, type, durable: true, ...argumentsOf(more), ...common }),
    ),
    ...bindings.map(
      ({ source, destination, destination_type: destinationType, routing_key: routingKey, arguments: more }) =>
        resource('Binding', bindingName(source, destination, destinationType), {
          ...{ source, destination, destinationType, routingKey },
          ...argumentsOf(more),
          ...common,
        }),
    ),
    ...policies.map(({ name, pattern, definition }) =>
      resource('Policy', objectName(name), { name, pattern, applyTo: 'queues' as const, definition, ...common }),
    ),
    ...users({})
      .filter(({ name }) => name !== 'admin')
      .flatMap(({ name, tags, permissions }) => [
        resource('User', name, {
          tags: [...tags],
          importCredentialsSecret: { name: userSecret(name) },
          rabbitmqClusterReference,
        }),
        resource('Permission', name, { userReference: { name }, permissions: { ...permissions }, ...common }),
      ]),
  ]
}

/** A Secret with the keys `username` and `password`, which an administrator makes. */
export const userSecret = (user: string): string => `${CLUSTER}-user-${user}`
