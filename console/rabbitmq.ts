/**
 * RabbitMQ's management API, as far as the console reads it. It owns no connection and changes nothing. With several
 * addresses it stays with the one that answered last, and goes to the next when that one does not.
 */
import { textOf } from 'warren'

export interface RawNode {
  readonly name: string
  readonly running: boolean
  readonly mem_used?: number
  readonly mem_limit?: number
  readonly mem_alarm?: boolean
  readonly disk_free?: number
  readonly disk_free_alarm?: boolean
  readonly partitions?: readonly string[]
  readonly uptime?: number
}

interface RawStats {
  readonly publish?: number
  readonly publish_details?: { readonly rate: number }
  readonly confirm_details?: { readonly rate: number }
  readonly deliver_get_details?: { readonly rate: number }
  readonly ack_details?: { readonly rate: number }
  readonly redeliver_details?: { readonly rate: number }
  readonly publish_in_details?: { readonly rate: number }
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
  readonly head_message_timestamp?: number | null
  readonly message_stats?: RawStats
  readonly arguments?: Readonly<Record<string, unknown>>
  readonly effective_policy_definition?: Readonly<Record<string, unknown>> | readonly unknown[]
}

export interface RawExchange {
  readonly name: string
  readonly vhost: string
  readonly type: string
  readonly message_stats?: RawStats
}

export interface RawBinding {
  readonly source: string
  readonly vhost: string
  readonly destination: string
  readonly destination_type: string
  readonly routing_key: string
}

export interface RawOverview {
  readonly cluster_name?: string
  readonly rabbitmq_version?: string
  readonly message_stats?: RawStats
  readonly queue_totals?: { readonly messages_ready?: number; readonly messages_unacknowledged?: number }
  readonly object_totals?: { readonly connections?: number; readonly channels?: number; readonly consumers?: number }
}

export interface RawConsumer {
  readonly queue?: { readonly name: string; readonly vhost: string }
  readonly channel_details?: { readonly connection_name?: string; readonly peer_host?: string }
  readonly prefetch_count?: number
}

export interface RawConnection {
  readonly name: string
  readonly node?: string
  readonly user_provided_name?: string
  readonly peer_host?: string
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
}

/** How many queues the console looks at: it is a page for people. */
export const MAX_QUEUES = 200
const MAX_CONNECTIONS = 300

const QUEUE_COLUMNS =
  'name,vhost,type,state,node,leader,members,online,consumers,messages_ready,messages_unacknowledged,head_message_timestamp,message_stats.publish,message_stats.publish_details.rate,message_stats.deliver_get_details.rate,message_stats.ack_details.rate,message_stats.redeliver_details.rate,arguments,effective_policy_definition'
const NODE_COLUMNS = 'name,running,mem_used,mem_limit,mem_alarm,disk_free,disk_free_alarm,partitions,uptime'

/** A node that is frozen accepts a connection and answers nothing. */
const TIMEOUT_MS = 1_500

export class RabbitmqApi {
  readonly #addresses: readonly { readonly base: string; readonly authorization: string }[]
  #current = 0

  constructor(addresses: readonly string[]) {
    this.#addresses = addresses.map((address) => {
      const url = new URL(address)
      const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
      url.username = ''
      url.password = ''
      return {
        base: `${url.href.replace(/\/$/, '')}/api`,
        authorization: `Basic ${Buffer.from(user).toString('base64')}`,
      }
    })
  }

  nodes = (): Promise<RawNode[]> => this.#get(`/nodes?columns=${NODE_COLUMNS}`)
  overview = (): Promise<RawOverview> =>
    this.#get('/overview?columns=cluster_name,rabbitmq_version,message_stats,queue_totals,object_totals')
  queues = (): Promise<RawPage<RawQueue>> =>
    this.#get(`/queues?page=1&page_size=${MAX_QUEUES}&columns=${QUEUE_COLUMNS}`)
  /** Where queues are, and nothing that has to be counted. */
  places = (): Promise<RawPage<RawQueue>> =>
    this.#get(`/queues?page=1&page_size=${MAX_QUEUES}&columns=name,vhost,type,state,node,leader,online`)
  exchanges = (): Promise<RawPage<RawExchange>> =>
    this.#get(`/exchanges?page=1&page_size=${MAX_QUEUES}&columns=name,vhost,type,message_stats.publish_in_details.rate`)
  bindings = (): Promise<RawBinding[]> =>
    this.#get('/bindings?columns=source,vhost,destination,destination_type,routing_key')
  consumers = (): Promise<RawConsumer[]> => this.#get('/consumers')
  connections = (): Promise<RawPage<RawConnection>> =>
    this.#get(`/connections?page=1&page_size=${MAX_CONNECTIONS}&columns=name,node,user_provided_name,peer_host`)

  async #get<T>(path: string): Promise<T> {
    let problem: unknown
    const first = this.#current
    for (let turn = 0; turn < this.#addresses.length; turn++) {
      const index = (first + turn) % this.#addresses.length
      const address = this.#addresses[index]
      if (address === undefined) break
      try {
        const response = await fetch(`${address.base}${path}`, {
          headers: { authorization: address.authorization },
          signal: AbortSignal.timeout(TIMEOUT_MS),
        })
        if (!response.ok) {
          await response.body?.cancel()
          throw new Error(`${address.base} answered ${response.status}`)
        }
        const body = (await response.json()) as T
        this.#current = index
        return body
      } catch (error) {
        problem = new Error(`${address.base}: ${textOf(causeOf(error))}`)
      }
    }
    throw problem
  }
}

/** `fetch` says only that it failed; why is in the cause. */
const causeOf = (error: unknown): unknown => (error instanceof Error && error.cause !== undefined ? error.cause : error)
