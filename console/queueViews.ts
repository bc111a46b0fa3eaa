/**
 * Queues and exchanges as the page shows them, and which of them carry tasks, delays and dead letters. What RabbitMQ
 * does not say is left out, never 0. Pure.
 */
import { planDelays } from 'warren'
import type { BrokerFacts, RawBinding, RawQueue, RawStats } from './answers.js'

/**
 * `task`: a service's queue, which a commands exchange feeds; `delay` and `retry`: messages wait there until they are due;
 * `other`: whatever else lives on the same broker.
 */
export type QueueRole = 'task' | 'retry' | 'delay' | 'deadLetters' | 'other'

export interface QueueView {
  readonly name: string
  readonly vhost: string
  readonly type: string
  readonly role: QueueRole
  /** `running`, `down` and so on, in RabbitMQ's words; `unknown` when it says nothing. */
  readonly state: string
  /** The node that leads it; of a classic queue the only one. */
  readonly leader?: string
  readonly members?: readonly string[]
  readonly online?: readonly string[]
  readonly ready?: number
  readonly unacknowledged?: number
  readonly consumers?: number
  /** A second. */
  readonly published?: number
  readonly delivered?: number
  readonly acknowledged?: number
  readonly redelivered?: number
  /** How many were published since the queue was declared. */
  readonly publishedTotal?: number
  /** When the oldest message was published, as its own timestamp says, in milliseconds since 1970. */
  readonly oldestAt?: number
  /** Where its dead letters go. */
  readonly deadLetterExchange?: string
  /** Of a service's queue: the task that it takes, and whose it is. */
  readonly task?: string
  readonly service?: string
}

export interface ExchangeView {
  readonly name: string
  readonly vhost: string
  readonly role: 'commands' | 'deadLetters' | 'delay' | 'other'
  readonly published?: number
  readonly queues: readonly string[]
}

/** Two virtual hosts may each have a queue of one name. */
export const queueKey = ({ vhost, name }: Pick<QueueView, 'vhost' | 'name'>): string => `${vhost}\n${name}`

const RETRY_QUEUE = /\.retry\.\d+$/
const DELAYS = planDelays()
const DELAY_EXCHANGES = new Set(DELAYS.exchanges.map(({ name }) => name))
/** The levels alone: what nobody takes when it is due lies in a queue of its own, which is to be seen. */
const DELAY_QUEUES = new Set(
  DELAYS.queues.filter((queue) => queue.arguments?.['x-message-ttl'] !== undefined).map(({ name }) => name),
)

/** Queues of Celery's remote control and events: each lives with one connection, and holds no task. */
const OF_REMOTE_CONTROL = /\.celery\.pidbox$|^celeryev\./

/** Whether messages only wait in a queue of this name: it has many like it, and nothing happens to one alone. */
export const isDelay = (name: string): boolean => DELAY_QUEUES.has(name) || RETRY_QUEUE.test(name)

const REACHED = ['running', 'flow', 'idle', 'syncing']

/** Undefined when nothing is known. */
export const isReached = ({ state }: Pick<QueueView, 'state'>): boolean | undefined =>
  state === 'unknown' ? undefined : REACHED.includes(state)

export function queueViews(broker: BrokerFacts | undefined, short: (name: string) => string): QueueView[] {
  if (broker === undefined) return []
  const { items } = broker.queues
  const roleOf = roles(broker)
  const ownerOf = owners(broker)
  return items
    .filter(({ name }) => !OF_REMOTE_CONTROL.test(name))
    .map((queue) => {
      const { name, vhost, type, state, online, members, consumers } = queue
      const { messages_ready: ready, messages_unacknowledged: unacknowledged, head_message_timestamp: head } = queue
      const leader = queue.leader ?? queue.node
      const deadLetterExchange = deadLetterExchangeOf(queue)
      const rates = ratesOf(queue.message_stats, ready !== undefined && broker.overview.disable_stats !== true)
      const onlineThere = online ?? (leader !== undefined && state === 'running' ? [leader] : undefined)
      return {
        ...{ name, vhost, type: type ?? 'classic', role: roleOf(queue), state: state ?? 'unknown' },
        ...ownerOf(queue),
        ...rates,
        ...(leader === undefined ? {} : { leader: short(leader), members: [short(leader)] }),
        ...(members === undefined ? {} : { members: members.map(short) }),
        ...(onlineThere === undefined ? {} : { online: onlineThere.map(short) }),
        ...(ready === undefined ? {} : { ready }),
        ...(unacknowledged === undefined ? {} : { unacknowledged }),
        ...(consumers === undefined ? {} : { consumers }),
        ...(head !== undefined && ready !== undefined && ready > 0 ? { oldestAt: head * 1000 } : {}),
        ...(deadLetterExchange === undefined ? {} : { deadLetterExchange }),
      }
    })
}

type QueueRates = Pick<QueueView, 'published' | 'delivered' | 'acknowledged' | 'redelivered' | 'publishedTotal'>

/** RabbitMQ leaves out what never happened: of a queue that it counts, a missing rate is 0. Else nothing is known. */
function ratesOf(stats: RawStats | undefined, counted: boolean): QueueRates {
  if (!counted && stats === undefined) return {}
  return {
    published: stats?.publish_details?.rate ?? 0,
    delivered: stats?.deliver_get_details?.rate ?? 0,
    acknowledged: stats?.ack_details?.rate ?? 0,
    redelivered: stats?.redeliver_details?.rate ?? 0,
    ...(stats?.publish === undefined ? {} : { publishedTotal: stats.publish }),
  }
}

/**
 * By name and bindings. A queue holds dead letters when an exchange for dead letters feeds it and no commands exchange
 * does: what is bound to both is a service's queue, and must never be offered for emptying.
 */
function roles({ queues, bindings }: BrokerFacts): (queue: RawQueue) => QueueRole {
  // Delay levels hand their messages on by dead-lettering, and so do waiting queues of others: those are no dead letters.
  const targets = new Set(
    queues.items
      .filter(({ name }) => !isDelay(name))
      .map((queue) => id(queue.vhost, deadLetterExchangeOf(queue) ?? '')),
  )
  const fedBy = (wanted: (binding: RawBinding) => boolean) =>
    new Set(
      bindings
        .filter((each) => each.destination_type !== 'exchange' && wanted(each))
        .map(({ vhost, destination }) => id(vhost, destination)),
    )
  const holdsDeadLetters = fedBy(({ vhost, source }) => targets.has(id(vhost, source)) || isDeadLetters(source))
  const takesCommands = fedBy(({ source }) => isCommands(source))
  return ({ vhost, name }) => {
    if (DELAY_QUEUES.has(name)) return 'delay'
    if (RETRY_QUEUE.test(name)) return 'retry'
    if (takesCommands.has(id(vhost, name))) return 'task'
    return holdsDeadLetters.has(id(vhost, name)) ? 'deadLetters' : 'other'
  }
}

/** The task and the service of a queue: it is named after both, and bound to the commands of its domain by the task. */
function owners({ bindings }: BrokerFacts): (queue: RawQueue) => Pick<QueueView, 'task' | 'service'> {
  const known = new Map<string, Pick<QueueView, 'task' | 'service'>>()
  for (const { vhost, source, destination, routing_key: key = '' } of bindings) {
    const task = key.split('@', 1)[0] ?? ''
    if (!isCommands(source) || task === '' || !destination.startsWith(`${task}.`)) continue
    known.set(id(vhost, destination), { task, service: destination.slice(task.length + 1).split('@', 1)[0] ?? '' })
  }
  return ({ vhost, name }) => known.get(id(vhost, name)) ?? {}
}

/** A domain's exchanges are known by their names, too: its dead letters stay when its services are gone. */
const isDeadLetters = (exchange: string): boolean => exchange.endsWith('.dlx')
const isCommands = (exchange: string): boolean => exchange.endsWith('.commands')

function deadLetterExchangeOf(queue: RawQueue): string | undefined {
  const exchange =
    queue.effective_policy_definition?.['dead-letter-exchange'] ?? queue.arguments?.['x-dead-letter-exchange']
  // A retry queue hands its messages back through the default exchange: that is no dead-lettering.
  return typeof exchange === 'string' && exchange !== '' ? exchange : undefined
}

const id = (vhost: string, name: string): string => `${vhost}\n${name}`

export function exchangeViews(broker: BrokerFacts | undefined, queues: readonly QueueView[]): ExchangeView[] {
  if (broker === undefined) return []
  const known = new Set(queues.map(({ vhost, name }) => id(vhost, name)))
  const targets = new Set(
    queues
      .filter(({ name }) => !isDelay(name))
      .map(({ vhost, deadLetterExchange = '' }) => id(vhost, deadLetterExchange)),
  )
  const bound = new Map<string, Set<string>>()
  for (const { source, vhost, destination, destination_type: kind } of broker.bindings) {
    if (kind !== 'queue' || !known.has(id(vhost, destination))) continue
    const from = id(vhost, source)
    bound.set(from, (bound.get(from) ?? new Set()).add(destination))
  }
  return broker.exchanges.flatMap(({ name, vhost, message_stats: stats }) => {
    // RabbitMQ's own are in each virtual host.
    if (name.startsWith('amq.')) return []
    const role = DELAY_EXCHANGES.has(name)
      ? 'delay'
      : targets.has(id(vhost, name)) || isDeadLetters(name)
        ? 'deadLetters'
        : isCommands(name)
          ? 'commands'
          : 'other'
    const rate = stats?.publish_in_details?.rate ?? (broker.overview.disable_stats === true ? undefined : 0)
    const published = rate === undefined ? {} : { published: rate }
    return [{ name, vhost, role, ...published, queues: [...(bound.get(id(vhost, name)) ?? [])] } as const]
  })
}
