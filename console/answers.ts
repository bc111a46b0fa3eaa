/**
 * The management API's answers, read field by field. RabbitMQ leaves fields out while a node is busy or gone, writes
 * `[]` for an empty object and words for a number (`"disk_free_monitoring_disabled"`); a proxy may answer in its place.
 * Whatever is not of the expected kind counts as not said. Pure.
 */
export interface RawNode {
  readonly name: string
  readonly running?: boolean
  readonly mem_used?: number
  readonly mem_limit?: number
  readonly mem_alarm?: boolean
  readonly disk_free?: number
  readonly disk_free_alarm?: boolean
  readonly partitions?: readonly string[]
  readonly uptime?: number
}

interface Rate {
  readonly rate: number
}

export interface RawStats {
  readonly publish?: number
  readonly publish_details?: Rate
  readonly deliver_get_details?: Rate
  readonly ack_details?: Rate
  readonly redeliver_details?: Rate
  readonly publish_in_details?: Rate
}

export interface RawQueue {
  readonly name: string
  readonly vhost: string
  readonly type?: string
  readonly state?: string
  readonly node?: string
  readonly leader?: string
  readonly members?: readonly string[]
  readonly online?: readonly string[]
  readonly consumers?: number
  readonly messages_ready?: number
  readonly messages_unacknowledged?: number
  readonly head_message_timestamp?: number
  readonly message_stats?: RawStats
  readonly arguments?: Fields
  readonly effective_policy_definition?: Fields
}

export interface RawExchange {
  readonly name: string
  readonly vhost: string
  readonly message_stats?: RawStats
}

export interface RawBinding {
  readonly source: string
  readonly vhost: string
  readonly destination: string
  readonly destination_type?: string
  readonly routing_key?: string
}

export interface RawOverview {
  readonly cluster_name?: string
  readonly rabbitmq_version?: string
  /** Nothing is counted for the management API (`management_agent.disable_metrics_collector`). */
  readonly disable_stats?: boolean
  readonly message_stats?: RawStats
  readonly queue_totals?: { readonly messages_ready?: number; readonly messages_unacknowledged?: number }
}

/** Who takes from which queue, by the connection's name. */
export interface RawConsumer {
  readonly queue: string
  readonly connection: string
}

export interface RawConnection {
  readonly name: string
  /** The name that its owner gave it. */
  readonly given?: string
  /** The client library, as it calls itself. */
  readonly product?: string
  readonly host?: string
  /** When it was opened, in milliseconds since 1970. */
  readonly since?: number
}

/** One queue, with what only its own page shows. */
export interface RawQueueDetail {
  readonly policy?: string
  readonly definition: Fields
  readonly arguments: Fields
  readonly durable?: boolean
  readonly bytes?: number
  readonly consumers: readonly {
    readonly connection: string
    readonly prefetch?: number
    readonly active?: boolean
  }[]
}

export interface RawPage<Item> {
  readonly items: readonly Item[]
  readonly total_count: number
}

/** What one look at the cluster brought. */
export interface BrokerFacts {
  readonly overview: RawOverview
  readonly nodes: readonly RawNode[]
  readonly queues: RawPage<RawQueue>
  readonly exchanges: readonly RawExchange[]
  readonly bindings: readonly RawBinding[]
  /** Why rates are not known, where the management API does not have them. */
  readonly metricsProblem?: string
}

type Fields = Readonly<Record<string, unknown>>

const NONE: Fields = {}

const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : NONE
const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)
const numberOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined
const flagOf = (value: unknown): boolean | undefined => (typeof value === 'boolean' ? value : undefined)
const textsOf = (value: unknown): string[] | undefined =>
  Array.isArray(value) ? value.filter((each) => typeof each === 'string') : undefined

type Present<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

/** Without the fields of which nothing is known. */
const said = <T extends object>(fields: T): Present<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>

/** Throws for what is no list: then something else than RabbitMQ answered. */
function listOf<T>(value: unknown, item: (fields: Fields) => T | undefined): T[] {
  if (!Array.isArray(value)) throw new Error('the answer is not a list: is this the management API?')
  return value.flatMap((each) => item(fieldsOf(each)) ?? [])
}

function pageOf<T>(value: unknown, item: (fields: Fields) => T | undefined): RawPage<T> {
  // Without paging the answer is the list itself.
  const items = listOf(Array.isArray(value) ? value : fieldsOf(value).items, item)
  return { items, total_count: Math.max(items.length, numberOf(fieldsOf(value).total_count) ?? 0) }
}

function statsOf(value: unknown): RawStats | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const fields = fieldsOf(value)
  const rate = (name: string) => {
    const found = numberOf(fieldsOf(fields[`${name}_details`]).rate)
    return found === undefined ? undefined : { rate: found }
  }
  return said({
    publish: numberOf(fields.publish),
    publish_details: rate('publish'),
    deliver_get_details: rate('deliver_get'),
    ack_details: rate('ack'),
    redeliver_details: rate('redeliver'),
    publish_in_details: rate('publish_in'),
  })
}

export const readNodes = (value: unknown): RawNode[] =>
  listOf(value, (fields) => {
    const name = textOf(fields.name)
    if (name === undefined) return undefined
    return {
      name,
      ...said({
        running: flagOf(fields.running),
        mem_used: numberOf(fields.mem_used),
        mem_limit: numberOf(fields.mem_limit),
        mem_alarm: flagOf(fields.mem_alarm),
        disk_free: numberOf(fields.disk_free),
        disk_free_alarm: flagOf(fields.disk_free_alarm),
        partitions: textsOf(fields.partitions),
        uptime: numberOf(fields.uptime),
      }),
    }
  })

export function readOverview(value: unknown): RawOverview {
  if (fieldsOf(value) === NONE) throw new Error('the answer is not an overview: is this the management API?')
  const {
    cluster_name: cluster,
    rabbitmq_version: version,
    disable_stats: off,
    message_stats: stats,
    queue_totals: totals,
  } = fieldsOf(value)
  const queues = fieldsOf(totals)
  return said({
    cluster_name: textOf(cluster),
    rabbitmq_version: textOf(version),
    disable_stats: flagOf(off),
    message_stats: statsOf(stats),
    queue_totals: said({
      messages_ready: numberOf(queues.messages_ready),
      messages_unacknowledged: numberOf(queues.messages_unacknowledged),
    }),
  })
}

export const readQueues = (value: unknown): RawPage<RawQueue> =>
  pageOf(value, (fields) => {
    const [name, vhost] = [textOf(fields.name), textOf(fields.vhost)]
    if (name === undefined || vhost === undefined) return undefined
    return {
      ...{ name, vhost },
      ...said({
        type: textOf(fields.type),
        state: textOf(fields.state),
        node: textOf(fields.node),
        leader: textOf(fields.leader),
        members: textsOf(fields.members),
        online: textsOf(fields.online),
        consumers: numberOf(fields.consumers),
        messages_ready: numberOf(fields.messages_ready),
        messages_unacknowledged: numberOf(fields.messages_unacknowledged),
        head_message_timestamp: numberOf(fields.head_message_timestamp),
        message_stats: statsOf(fields.message_stats),
        arguments: fieldsOf(fields.arguments),
        effective_policy_definition: fieldsOf(fields.effective_policy_definition),
      }),
    }
  })

export const readExchanges = (value: unknown): readonly RawExchange[] =>
  pageOf(value, ({ name, vhost, message_stats: stats }) => {
    // The default exchange has no name, and is not shown.
    if (textOf(name) === undefined || textOf(vhost) === undefined) return undefined
    return { name: String(name), vhost: String(vhost), ...said({ message_stats: statsOf(stats) }) }
  }).items

export const readBindings = (value: unknown): RawBinding[] =>
  listOf(value, ({ source, vhost, destination, destination_type: kind, routing_key: key }) => {
    if (textOf(source) === undefined || textOf(vhost) === undefined || textOf(destination) === undefined) {
      return undefined
    }
    return {
      ...{ source: String(source), vhost: String(vhost), destination: String(destination) },
      ...said({ destination_type: textOf(kind), routing_key: textOf(key) }),
    }
  })

export const readConsumers = (value: unknown): RawConsumer[] =>
  listOf(value, (fields) => {
    const queue = textOf(fieldsOf(fields.queue).name)
    const connection = textOf(fieldsOf(fields.channel_details).connection_name)
    return queue === undefined || connection === undefined ? undefined : { queue, connection }
  })

export const readConnections = (value: unknown): readonly RawConnection[] =>
  pageOf(value, (fields) => {
    const name = textOf(fields.name)
    if (name === undefined) return undefined
    return {
      name,
      ...said({
        given: textOf(fields.user_provided_name),
        product: textOf(fieldsOf(fields.client_properties).product),
        host: textOf(fields.peer_host),
        since: numberOf(fields.connected_at),
      }),
    }
  }).items

export function readQueueDetail(value: unknown): RawQueueDetail {
  const fields = fieldsOf(value)
  if (fields === NONE) throw new Error('the answer is no queue: is this the management API?')
  return {
    ...{ definition: fieldsOf(fields.effective_policy_definition), arguments: fieldsOf(fields.arguments) },
    ...said({
      policy: textOf(fields.policy),
      durable: flagOf(fields.durable),
      bytes: numberOf(fields.message_bytes),
    }),
    consumers: (Array.isArray(fields.consumer_details) ? fields.consumer_details : []).flatMap((each: unknown) => {
      const consumer = fieldsOf(each)
      const connection = textOf(fieldsOf(consumer.channel_details).connection_name)
      if (connection === undefined) return []
      return [{ connection, ...said({ prefetch: numberOf(consumer.prefetch_count), active: flagOf(consumer.active) }) }]
    }),
  }
}
