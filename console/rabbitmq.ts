/**
 * RabbitMQ's management API, as far as the console reads it. It owns no connection and changes nothing. With several
 * addresses it stays with the one that answered last, and goes to the next when that one does not.
 */
import { textOf } from 'warren'
import {
  type RawBinding,
  type RawConnection,
  type RawConsumer,
  type RawExchange,
  type RawNode,
  type RawOverview,
  type RawPage,
  type RawQueue,
  type RawQueueDetail,
  readBindings,
  readConnections,
  readConsumers,
  readExchanges,
  readNodes,
  readOverview,
  readQueueDetail,
  readQueues,
} from './answers.js'
import { causeOf, type Server, serverAt, textFrom } from './http.js'

/** Where nothing is counted for the management API, it has the numbers of messages all the same if they are asked for. */
const TOTALS = 'enable_queue_totals=true'
/** How many queues the console looks at. */
export const MAX_QUEUES = 2_000
/** RabbitMQ's own bound for one page. */
export const PAGE = 500
const MAX_CONNECTIONS = 500

const QUEUE_COLUMNS =
  'name,vhost,type,state,node,leader,members,online,consumers,messages_ready,messages_unacknowledged,head_message_timestamp,message_stats.publish,message_stats.publish_details.rate,message_stats.deliver_get_details.rate,message_stats.ack_details.rate,message_stats.redeliver_details.rate,arguments,effective_policy_definition'
const CONNECTION_COLUMNS = 'name,user_provided_name,peer_host,connected_at,client_properties.product'
const NODE_COLUMNS = 'name,running,mem_used,mem_limit,mem_alarm,disk_free,disk_free_alarm,partitions,uptime'

/** A node that is frozen accepts a connection and answers nothing. */
const TIMEOUT_MS = 1_500
/** Counting hundreds of queues takes RabbitMQ a second. */
const MANY_TIMEOUT_MS = 5_000
const REFUSED = 'check user and password; the user needs the tag `monitoring`'

export class RabbitmqApi {
  readonly #addresses: readonly Server[]
  #current = 0
  #queuesMs = TIMEOUT_MS

  constructor(addresses: readonly string[]) {
    this.#addresses = addresses.map(serverAt)
  }

  nodes = (): Promise<RawNode[]> => this.#get(`/nodes?columns=${NODE_COLUMNS}`, readNodes)
  overview = (): Promise<RawOverview> =>
    this.#get('/overview?columns=cluster_name,rabbitmq_version,disable_stats,message_stats,queue_totals', readOverview)
  /** At most {@link MAX_QUEUES}, by name. */
  async queues(): Promise<RawPage<RawQueue>> {
    let read: RawPage<RawQueue> = { items: [], total_count: 1 }
    for (let page = 1; read.items.length < Math.min(read.total_count, MAX_QUEUES); page++) {
      const path = `/queues?page=${page}&page_size=${PAGE}&${TOTALS}&columns=${QUEUE_COLUMNS}`
      const { items, total_count } = await this.#get(path, readQueues, page > 1 ? MANY_TIMEOUT_MS : this.#queuesMs)
      if (page === 1) this.#queuesMs = total_count > PAGE / 2 ? MANY_TIMEOUT_MS : TIMEOUT_MS
      read = { items: [...read.items, ...items], total_count }
      // Queues may go while they are read.
      if (items.length === 0) break
    }
    return read
  }
  /** Where queues are, and nothing that has to be counted. */
  places = (): Promise<RawPage<RawQueue>> =>
    this.#get(`/queues?page=1&page_size=${PAGE}&columns=name,vhost,type,state,node,leader,online`, readQueues)
  queue = (vhost: string, name: string): Promise<RawQueueDetail> =>
    this.#get(`/queues/${encodeURIComponent(vhost)}/${encodeURIComponent(name)}`, readQueueDetail)
  exchanges = (): Promise<readonly RawExchange[]> =>
    this.#get(
      `/exchanges?page=1&page_size=${PAGE}&columns=name,vhost,message_stats.publish_in_details.rate`,
      readExchanges,
    )
  bindings = (): Promise<RawBinding[]> =>
    this.#get('/bindings?columns=source,vhost,destination,destination_type,routing_key', readBindings)
  consumers = (): Promise<RawConsumer[]> => this.#get('/consumers', readConsumers)
  connections = (): Promise<readonly RawConnection[]> =>
    this.#get(`/connections?page=1&page_size=${MAX_CONNECTIONS}&columns=${CONNECTION_COLUMNS}`, readConnections)

  /** Each address is asked once, with a limit on time and size, so that none of them can hold the console up. */
  async #get<T>(path: string, readAnswer: (value: unknown) => T, timeoutMs = TIMEOUT_MS): Promise<T> {
    const problems: string[] = []
    const first = this.#current
    for (let turn = 0; turn < this.#addresses.length; turn++) {
      const index = (first + turn) % this.#addresses.length
      const address = this.#addresses[index]
      if (address === undefined) break
      try {
        const text = await textFrom(address, `/api${path}`, { timeoutMs, refused: REFUSED })
        const answer = readAnswer(parsed(text))
        this.#current = index
        return answer
      } catch (error) {
        problems.push(`${address.base}/api: ${textOf(causeOf(error))}`)
      }
    }
    throw new Error(problems.at(-1))
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message would quote whatever somebody else's server sent.
    throw new Error('the answer is not JSON: is this the management API?')
  }
}
