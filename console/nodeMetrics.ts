/**
 * Rates of queues from the nodes' Prometheus endpoints, for a cluster that counts nothing for its management API
 * (`management_agent.disable_metrics_collector`). It owns what each node counted over the last while.
 */
import { textOf } from 'warren'
import type { BrokerFacts, RawQueue, RawStats } from './answers.js'
import { given } from './given.js'
import { causeOf, type Server, serverAt, textFrom } from './http.js'
import { wholeSum } from './sums.js'
import { parseMetrics } from './workerMetrics.js'

/** Nodes have new counts each five seconds. */
const EVERY_MS = 4_500
/** Over how long a rate is taken. */
const WINDOW_MS = 15_000
const TIMEOUT_MS = 3_000
const PATH = `/metrics/detailed?${['queue_delivery_metrics', 'queue_exchange_metrics', 'queue_consumer_count']
  .map((family) => `family=${family}`)
  .join('&')}`

const ACKED = 'rabbitmq_detailed_queue_messages_acked_total'
const COUNTERS: Readonly<Record<string, Counter>> = {
  rabbitmq_detailed_queue_exchange_messages_published_total: 'publish',
  rabbitmq_detailed_queue_messages_delivered_ack_total: 'deliver_get',
  rabbitmq_detailed_queue_messages_delivered_total: 'deliver_get',
  rabbitmq_detailed_queue_get_ack_total: 'deliver_get',
  rabbitmq_detailed_queue_get_total: 'deliver_get',
  [ACKED]: 'ack',
  rabbitmq_detailed_queue_messages_redelivered_total: 'redeliver',
}
const CONSUMERS = 'rabbitmq_detailed_queue_consumers'

type Counter = 'publish' | 'deliver_get' | 'ack' | 'redeliver'
type Counts = Record<Counter, number>
/** What a node said at one moment, by queue. */
interface Look {
  readonly at: number
  readonly counts: ReadonlyMap<string, Readonly<Counts>>
  readonly consumers: ReadonlyMap<string, number>
}

const none = (): Counts => ({ publish: 0, deliver_get: 0, ack: 0, redeliver: 0 })
const idOf = (vhost: string, queue: string): string => `${vhost}\0${queue}`

export class NodeMetrics {
  readonly #servers: readonly Server[]
  /** The last looks at each node that answers, the oldest first. */
  readonly #looks = new Map<string, readonly Look[]>()
  #problems: readonly string[] = []
  #askedAt = Number.NEGATIVE_INFINITY

  constructor(addresses: readonly string[]) {
    this.#servers = addresses.map(serverAt)
  }

  /**
   * The facts, completed by what these endpoints count. Rates stay unknown until every running node has answered twice.
   */
  async complete(facts: BrokerFacts, now = Date.now()): Promise<BrokerFacts> {
    if (now - this.#askedAt >= EVERY_MS) {
      this.#askedAt = now
      const problems = await Promise.all(this.#servers.map((server) => this.#ask(server, now)))
      this.#problems = problems.filter((problem) => problem !== undefined)
    }
    const running = facts.nodes.filter((node) => node.running !== false).length
    const whole = this.#looks.size >= running && this.#looks.size > 0
    const items = facts.queues.items.map((queue) => this.#completed(queue, whole))
    const overview = items.length < facts.queues.total_count ? facts.overview : { ...facts.overview, ...totals(items) }
    const problem =
      this.#problems[0] ?? `${this.#servers.length} metrics addresses are set for ${running} running nodes`
    return { ...facts, overview, queues: { ...facts.queues, items }, ...(whole ? {} : { metricsProblem: problem }) }
  }

  #completed(queue: RawQueue, whole: boolean): RawQueue {
    const id = idOf(queue.vhost, queue.name)
    const stats = whole ? this.#statsOf(id) : undefined
    // A queue's own node counts its consumers.
    const consumers = [...this.#looks.values()].flatMap((looks) => looks.at(-1)?.consumers.get(id) ?? [])
    return {
      ...queue,
      ...(consumers.length === 0 ? {} : { consumers: Math.max(...consumers) }),
      ...(stats === undefined ? {} : { message_stats: stats }),
    }
  }

  /** Undefined before the second look at each node. */
  #statsOf(queue: string): RawStats | undefined {
    const rates = none()
    let publish = 0
    for (const looks of this.#looks.values()) {
      const [first, last] = [looks[0], looks.at(-1)]
      if (first === undefined || last === undefined || first === last) return undefined
      publish += last.counts.get(queue)?.publish ?? 0
      const seconds = (last.at - first.at) / 1000
      for (const counter of Object.keys(rates) as Counter[]) rates[counter] += grown(looks, queue, counter) / seconds
    }
    return {
      publish,
      publish_details: { rate: rates.publish },
      deliver_get_details: { rate: rates.deliver_get },
      ack_details: { rate: rates.ack },
      redeliver_details: { rate: rates.redeliver },
    }
  }

  /** Returns why there is no answer. */
  async #ask(server: Server, at: number): Promise<string | undefined> {
    try {
      const counts = new Map<string, Counts>()
      const consumers = new Map<string, number>()
      const text = await textFrom(server, PATH, { timeoutMs: TIMEOUT_MS })
      // RabbitMQ lists what it counts even before it has counted anything.
      if (!text.includes(ACKED)) throw new Error('it does not count messages of queues: RabbitMQ 4.0 and later do')
      for (const { name, labels, value } of parseMetrics(text)) {
        const queue = idOf(labels.vhost ?? '', labels.queue ?? '')
        const counter = COUNTERS[name]
        if (!Number.isFinite(value)) continue
        if (name === CONSUMERS) consumers.set(queue, value)
        if (counter === undefined) continue
        const of = counts.get(queue) ?? none()
        of[counter] += value
        counts.set(queue, of)
      }
      const before = (this.#looks.get(server.base) ?? []).filter((look) => look.at >= at - WINDOW_MS)
      this.#looks.set(server.base, [...before, { at, counts, consumers }])
      return undefined
    } catch (error) {
      this.#looks.delete(server.base)
      return `${server.base}: ${textOf(causeOf(error))}`
    }
  }
}

/** What was added from look to look; a count that went back is that of a node or a queue that began again. */
function grown(looks: readonly Look[], queue: string, counter: Counter): number {
  const counts = looks.map((look) => look.counts.get(queue)?.[counter] ?? 0)
  return counts.slice(1).reduce((sum, now, at) => sum + now - (now < (counts[at] ?? 0) ? 0 : (counts[at] ?? 0)), 0)
}

/** What the overview has of all queues; without what is not known of one of them. */
function totals(queues: readonly RawQueue[]): Pick<BrokerFacts['overview'], 'queue_totals' | 'message_stats'> {
  const ready = wholeSum(queues.map((queue) => queue.messages_ready))
  const held = wholeSum(queues.map((queue) => queue.messages_unacknowledged))
  const rates = DETAILS.map(
    (name) => [name, wholeSum(queues.map((queue) => queue.message_stats?.[name]?.rate))] as const,
  )
  return {
    queue_totals: { ...given('messages_ready', ready), ...given('messages_unacknowledged', held) },
    ...(rates.some(([, rate]) => rate === undefined)
      ? {}
      : { message_stats: Object.fromEntries(rates.map(([name, rate]) => [name, { rate }])) }),
  }
}
const DETAILS = ['publish_details', 'deliver_get_details', 'ack_details', 'redeliver_details'] as const
