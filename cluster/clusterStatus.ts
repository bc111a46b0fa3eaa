/** What the launcher says about the cluster: `warren status`, the control socket, the console. */
import type { ProcessStatus } from './managedProcess.js'

export type ClusterState = 'stopped' | 'starting' | 'running' | 'stopping'

export interface ClusterAddresses {
  /** HAProxy's AMQP front, without a user: see `Cluster.brokerUrl`. */
  readonly amqp: readonly string[]
  /** AMQP of each node, past HAProxy, without a user. */
  readonly nodes: readonly string[]
  readonly results: string
  /** The HTTP edge, without a closing slash. */
  readonly edge: string
  /** RabbitMQ's management through the edge, and on each node. */
  readonly management: { readonly edge: string; readonly nodes: readonly string[] }
  /** Where Prometheus runs: undefined where it is not installed, and before the start. */
  readonly prometheus: string | undefined
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
}
