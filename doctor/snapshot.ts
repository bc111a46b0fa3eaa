/**
 * One look at a cluster, as a record: everything that the checks judge, and nothing else. It holds no secret and can be
 * written as JSON, so that a snapshot of a real cluster serves as a test's input.
 */
import type { Permissions } from './permissions.js'

/** A part that was looked at, or why it was not. */
export type Seen<T> =
  | { readonly seen: T }
  | { readonly unseen: string; readonly fix: string; readonly optional?: true | undefined }

/** From AMQP alone, with the user of `--broker`. */
export interface BrokerFacts {
  readonly user: string
  readonly addresses: readonly {
    /** Without user and password. */
    readonly address: string
    /** Missing where it could not be connected to. */
    readonly version?: string | undefined
    /** Why not, and whether the node itself said no. */
    readonly problem?: string | undefined
    readonly refused?: boolean | undefined
  }[]
}

export interface NodeFacts {
  readonly name: string
  readonly running: boolean
  readonly version?: string | undefined
  readonly memoryAlarm: boolean
  readonly diskAlarm: boolean
  /** The nodes that it was partitioned from, as any node said. */
  readonly partitions: readonly string[]
}

export interface ClusterFacts {
  readonly nodes: readonly NodeFacts[]
}

/** The virtual host of `--broker`: whether it runs, by node. */
export interface VirtualHostFacts {
  readonly states: Readonly<Record<string, string>>
}

export type Arguments = Readonly<Record<string, unknown>>

export interface QueueFacts {
  readonly name: string
  readonly type: string
  readonly durable: boolean
  readonly autoDelete: boolean
  readonly exclusive: boolean
  readonly arguments: Arguments
  /** `running`, `down`, `minority`; missing while RabbitMQ has no figures of it. */
  readonly state?: string | undefined
  /** A classic queue's home, a quorum queue's leader. */
  readonly node?: string | undefined
  readonly members: readonly string[]
  readonly online: readonly string[]
  /** The policy in force, and what it and an operator policy set together; missing while RabbitMQ has no figures. */
  readonly policy?: string | undefined
  readonly effective?: Arguments | undefined
  readonly messages?: number | undefined
  readonly ready?: number | undefined
}

export interface ExchangeFacts {
  readonly name: string
  readonly type: string
  readonly durable: boolean
  readonly arguments: Arguments
}

export interface BindingFacts {
  readonly source: string
  readonly destination: string
  readonly to: 'queue' | 'exchange'
  readonly key: string
  readonly arguments: Readonly<Record<string, unknown>>
}

export interface TopologyFacts {
  readonly queues: readonly QueueFacts[]
  readonly exchanges: readonly ExchangeFacts[]
  readonly bindings: readonly BindingFacts[]
  /** How many messages each delay level held back although they were due, at a second look; by its name. */
  readonly stuck: Readonly<Record<string, number>>
  /** Of RabbitMQ, as the management API says it. */
  readonly version: string
}

export interface PolicyFacts {
  readonly name: string
  readonly pattern: string
  readonly applyTo: string
  readonly priority: number
  readonly definition: Arguments
}

export interface UserFacts {
  readonly name: string
  readonly tags: readonly string[]
  /** In this virtual host; undefined when it has none there. */
  readonly permissions: Permissions | undefined
}

/** What a task says of itself, where its module was given. */
export interface TaskFacts {
  readonly name: string
  readonly queueType: string
  readonly timeoutMs: number | undefined
}

export interface TasksFacts {
  readonly tasks: readonly TaskFacts[]
  /** The service that handles them, where it was named. */
  readonly service: string | undefined
}

export interface StoreFacts {
  readonly address: string
  readonly version: string
  /** Undefined where the server does not say it. */
  readonly policy: string | undefined
  readonly maxMemory: number | undefined
  readonly usedMemory: number | undefined
  readonly appendOnly: boolean | undefined
  /** `save` of its configuration; undefined where the user may not read it. */
  readonly snapshots: string | undefined
  readonly appendFsync: string | undefined
  readonly lastAppendOk: boolean
  readonly lastSnapshotOk: boolean
  /** What it answered to writes that change nothing, as an error; undefined when it took them all. */
  readonly refusal: { readonly command: string; readonly said: string } | undefined
}

/** By how much a clock is ahead of this machine's, in milliseconds: somewhere between the two. */
export interface ClockFacts {
  readonly whose: string
  readonly kind: 'node' | 'store'
  readonly leastMs: number
  readonly mostMs: number
}

export interface Facts {
  readonly broker: BrokerFacts
  readonly cluster: ClusterFacts
  readonly virtualHost: VirtualHostFacts
  readonly topology: TopologyFacts
  readonly policies: readonly PolicyFacts[]
  readonly user: UserFacts
  readonly tasks: TasksFacts
  readonly store: StoreFacts
  readonly nodeClocks: readonly ClockFacts[]
  readonly storeClock: readonly ClockFacts[]
}

export type Part = keyof Facts

/** What is the same for every check. */
export interface Setting {
  readonly at: string
  readonly vhost: string
  /** The management API's address for commands, without user and password; undefined when none answered. */
  readonly management: string | undefined
  /** RabbitMQ's `consumer_timeout`, where the user said what it is set to. */
  readonly consumerTimeoutMs: number | undefined
  /** Addresses that were looked at, without user and password. */
  readonly looked: readonly string[]
}

export type Snapshot = Setting & { readonly [Name in Part]: Seen<Facts[Name]> }
