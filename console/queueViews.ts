/** Queues and exchanges as the page shows them, and which of them carry tasks, retries and dead letters. Pure. */
import type { BrokerFacts, RawQueue } from './rabbitmq.js'

export type QueueRole = 'task' | 'retry' | 'deadLetters' | 'other'

export interface QueueView {
  readonly name: string
  readonly vhost: string
  readonly type: string
  readonly role: QueueRole
  /** `running`, `down` and so on, in RabbitMQ's words. */
  readonly state: string
  /** The node that leads it; of a classic queue the only one. */
  readonly leader?: string
  readonly members: readonly string[]
  readonly online: readonly string[]
  readonly ready: number
  readonly unacknowledged: number
  /** RabbitMQ says nothing of its counts just now, as when its leader is gone. */
  readonly uncounted?: true
  readonly consumers: number
  /** A second. */
  readonly published: number
  readonly delivered: number
  readonly acknowledged: number
  /** How many were published since the queue was declared; undefined when nothing is known of it. */
  readonly publishedTotal?: number
  /** When the oldest message was published, as its own timestamp says, in milliseconds since 1970. */
  readonly oldestAt?: number
  /** Where its dead letters go. */
  readonly deadLetterExchange?: string
}

export interface ExchangeView {
  readonly name: string
  readonly vhost: string
  readonly role: 'commands' | 'deadLetters' | 'other'
  readonly published: number
  readonly queues: readonly string[]
}

const RETRY_QUEUE = /\.retry\.\d+$/

export function queueViews(broker: BrokerFacts | undefined, short: (name: string) => string): QueueView[] {
  if (broker === undefined) return []
  const { items } = broker.queues
  const targets = new Set(items.map((queue) => id(queue.vhost, deadLetterExchangeOf(queue) ?? '')))
  const holdsDeadLetters = new Set(
    broker.bindings
      .filter(({ source, vhost }) => source !== '' && targets.has(id(vhost, source)))
      .map(({ vhost, destination }) => id(vhost, destination)),
  )
  return items.map((queue) => {
    const { name, vhost, type = 'classic', message_stats: stats, head_message_timestamp: head } = queue
    const leader = queue.leader || queue.node
    const deadLetterExchange = deadLetterExchangeOf(queue)
    const ready = queue.messages_ready ?? 0
    return {
      name,
      vhost,
      type,
      role: holdsDeadLetters.has(id(vhost, name)) ? 'deadLetters' : RETRY_QUEUE.test(name) ? 'retry' : 'task',
      state: queue.state ?? 'unknown',
      ...(leader ? { leader: short(leader) } : {}),
      members: (queue.members ?? (leader ? [leader] : [])).map(short),
      online: (queue.online ?? (leader && queue.state === 'running' ? [leader] : [])).map(short),
      ready,
      unacknowledged: queue.messages_unacknowledged ?? 0,
      ...(queue.messages_ready === undefined ? { uncounted: true } : {}),
      consumers: queue.consumers ?? 0,
      published: stats?.publish_details?.rate ?? 0,
      delivered: stats?.deliver_get_details?.rate ?? 0,
      acknowledged: stats?.ack_details?.rate ?? 0,
      ...(stats?.publish === undefined ? {} : { publishedTotal: stats.publish }),
      ...(typeof head === 'number' && ready > 0 ? { oldestAt: head * 1000 } : {}),
      ...(deadLetterExchange === undefined ? {} : { deadLetterExchange }),
    }
  })
}

function deadLetterExchangeOf(queue: RawQueue): string | undefined {
  const policy = queue.effective_policy_definition
  const byPolicy =
    policy !== undefined && !Array.isArray(policy)
      ? (policy as Record<string, unknown>)['dead-letter-exchange']
      : undefined
  const exchange = byPolicy ?? queue.arguments?.['x-dead-letter-exchange']
  // A delay queue hands its messages back through the default exchange: that is no dead-lettering.
  return typeof exchange === 'string' && exchange !== '' ? exchange : undefined
}

const id = (vhost: string, name: string): string => `${vhost}\n${name}`

export function exchangeViews(broker: BrokerFacts | undefined, queues: readonly QueueView[]): ExchangeView[] {
  if (broker === undefined) return []
  const known = new Set(queues.map(({ vhost, name }) => id(vhost, name)))
  const targets = new Set(queues.map(({ vhost, deadLetterExchange = '' }) => id(vhost, deadLetterExchange)))
  return broker.exchanges.flatMap(({ name, vhost, message_stats: stats }) => {
    // The default exchange leads to every queue, and RabbitMQ's own are in each virtual host.
    if (name === '' || name.startsWith('amq.')) return []
    const bound = broker.bindings
      .filter(
        ({ source, vhost: where, destination, destination_type: kind }) =>
          source === name && where === vhost && kind === 'queue' && known.has(id(where, destination)),
      )
      .map(({ destination }) => destination)
    const role = targets.has(id(vhost, name)) ? 'deadLetters' : name.endsWith('.commands') ? 'commands' : 'other'
    return [{ name, vhost, role, published: stats?.publish_in_details?.rate ?? 0, queues: [...new Set(bound)] }]
  })
}
