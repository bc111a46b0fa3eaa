/** The launcher's status of the cluster, for `warren status`, the control socket and the console. */
import { LOOPBACK, NODE_NUMBERS, ports } from './ports.js'
import type { ProcessStatus } from './processDefinition.js'
import type { Settings } from './settings.js'
import { storeAddress } from './store.js'
import type { Trouble } from './troubles.js'

export type ClusterState = 'stopped' | 'starting' | 'running' | 'stopping'

export interface ClusterAddresses {
  /** HAProxy's AMQP front, without a user: see `Cluster.brokerUrl`. */
  readonly amqp: readonly string[]
  /** AMQP of each node, past HAProxy, without a user. */
  readonly nodes: readonly string[]
  readonly results: string
  /** The HTTP edge, without a closing slash. */
  readonly edge: string
  /** RabbitMQ's management through the edge and on each node, and each node's metrics for Prometheus. */
  readonly management: { readonly edge: string; readonly nodes: readonly string[]; readonly metrics: readonly string[] }
  /** Prometheus' address: undefined if it is not installed, and before the start. */
  readonly prometheus: string | undefined
}

export const metricsAddresses = (plan: Settings['ports']): string[] =>
  NODE_NUMBERS.map((node) => `http://${LOOPBACK}:${ports.nodeMetrics(plan, node)}`)

export function addressesOf(settings: Settings, hasPrometheus: boolean): ClusterAddresses {
  const { ports: plan } = settings
  const edge = `http://${LOOPBACK}:${plan.edge}`
  return {
    amqp: [`amqp://${LOOPBACK}:${plan.amqp}`],
    nodes: NODE_NUMBERS.map((node) => `amqp://${LOOPBACK}:${ports.nodeAmqp(plan, node)}`),
    results: storeAddress(settings),
    edge,
    management: {
      edge: `${edge}/rabbitmq`,
      nodes: NODE_NUMBERS.map((node) => `http://${LOOPBACK}:${ports.nodeManagement(plan, node)}/rabbitmq`),
      metrics: metricsAddresses(plan),
    },
    prometheus: hasPrometheus ? `${edge}/prometheus` : undefined,
  }
}

export interface ClusterStatus {
  readonly dir: string
  /** The launcher's own pid. */
  readonly pid: number
  readonly state: ClusterState
  readonly addresses: ClusterAddresses
  readonly processes: readonly (ProcessStatus & {
    /** RabbitMQ nodes only: the nodes that this one sees running, itself included. */
    readonly sees?: readonly string[]
    /** RabbitMQ nodes only: what HAProxy holds of it, as `UP` or `DOWN`. */
    readonly front?: string
  })[]
  /** Problems on running nodes. Missing if no node answered, or the cluster does not run. */
  readonly troubles?: readonly Trouble[]
}
