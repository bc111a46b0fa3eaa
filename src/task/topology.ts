/**
 * The topology as data: which exchanges, queues, bindings and policies a set of tasks needs. Pure; nothing here talks
 * to a broker. `declare.ts` declares the service's part, `definitions.ts` writes the operator's part.
 *
 * Who declares what: the service declares its commands exchanges, queues and bindings when it starts; the operator
 * predefines the dead-letter exchanges and queues and every policy. Retention lives in policies, never in queue
 * arguments, so that it can be changed without redeclaring a queue.
 */
import { commandsExchange, deadLetterExchange, deadLetterQueue, domainOf, queuePolicy } from '../wire/names.js'
import { lanesOf } from './lanes.js'

/** `quorum` is replicated across the cluster; `classic` lives on one node and is unavailable while that node is down. */
export type QueueType = 'classic' | 'quorum'

export interface ExchangePlan {
  readonly name: string
  readonly type: 'topic' | 'headers' | 'fanout'
  readonly arguments?: Readonly<Record<string, string | number>>
}

export interface QueuePlan {
  readonly name: string
  readonly type: QueueType
  /** Only for queues whose content is internal to Warren: retention belongs in policies. */
  readonly arguments?: Readonly<Record<string, string | number | boolean>>
}

export interface BindingPlan {
  readonly exchange: string
  readonly queue: string
  readonly routingKey: string
  /** The headers that a headers exchange matches. */
  readonly arguments?: Readonly<Record<string, string>>
}

/** A binding from one exchange to another. */
export interface LinkPlan {
  readonly from: string
  readonly to: string
  readonly routingKey: string
  readonly arguments?: Readonly<Record<string, string>>
}

/** A RabbitMQ policy for exactly one queue. Keys are RabbitMQ's own. */
export interface PolicyPlan {
  readonly name: string
  /** A regular expression that matches only the queue's name. */
  readonly pattern: string
  readonly definition: Readonly<Record<string, string | number>>
}

/** The objects that a service declares by itself. */
export interface ServicePlan {
  readonly exchanges: readonly ExchangePlan[]
  readonly queues: readonly QueuePlan[]
  readonly bindings: readonly BindingPlan[]
}

/** The objects that an operator predefines. */
export interface OperatorPlan extends ServicePlan {
  readonly links?: readonly LinkPlan[]
  readonly policies: readonly PolicyPlan[]
}

/** How long a queue keeps messages and how often it redelivers one. */
export interface Retention {
  /** Milliseconds that a message may wait in the queue before it is dead-lettered. Default: forever. */
  readonly ttlMs?: number
  /**
   * How often a quorum queue redelivers a message before it is dead-lettered. RabbitMQ has no default before 4.0, and 20 from
   * then on. Ignored by classic queues, which have no such counter. Default: 20.
   */
  readonly deliveryLimit?: number
}

/** The part of a task definition that the topology depends on. */
export interface RoutedTask {
  readonly name: string
  readonly queue: { readonly type: QueueType }
  readonly priority?: boolean
  readonly order?: { readonly partitions: number } | undefined
}

/** The broker delivers to only one of the queue's consumers, and to another when that one is gone. */
const ORDERED = { 'x-single-active-consumer': true }

/** RabbitMQ 4.0's own default; a policy sets it explicitly, since 3.x has none. */
export const DEFAULT_DELIVERY_LIMIT = 20

/**
 * The delivery limit of dead-letter queues: practically none, and valid on every version. Inspecting a dead letter means taking
 * and returning it, which RabbitMQ counts as a delivery (up to 4.2, however it is returned). From 4.0 on a queue without this
 * policy drops a message after 20 of them. `-1` means no limit from 4.0 on, but 3.x refuses it, and 4.x at times does not
 * honour it in a policy (rabbitmq-server#14202, NServiceBus.RabbitMQ#1688). With a limit, a quorum queue of 3.10 also returns a
 * message to its head rather than its tail.
 */
export const DEAD_LETTER_DELIVERY_LIMIT = 1_000_000

/** The objects that `service` declares in order to receive `tasks`. */
export function planService(service: string, tasks: readonly RoutedTask[]): ServicePlan {
  const domains = [...new Set(tasks.map((task) => domainOf(task.name)))]
  return {
    exchanges: domains.map((domain) => ({ name: commandsExchange(domain), type: 'topic' })),
    queues: tasks.flatMap((task) =>
      lanesOf(task, service).map(({ queue, ordered }) => ({
        ...{ name: queue, type: task.queue.type },
        ...(ordered ? { arguments: ORDERED } : {}),
      })),
    ),
    bindings: tasks.flatMap((task) =>
      lanesOf(task, service).map(({ queue, routingKey }) => ({
        ...{ exchange: commandsExchange(domainOf(task.name)), queue, routingKey },
      })),
    ),
  }
}

/** The objects that the operator predefines for `service` and `tasks`. `retention` is by task name. */
export function planOperator(
  service: string,
  tasks: readonly RoutedTask[],
  retention: Readonly<Record<string, Retention>> = {},
): OperatorPlan {
  const domains = [...new Set(tasks.map((task) => domainOf(task.name)))]
  return {
    exchanges: domains.map((domain) => ({ name: deadLetterExchange(domain), type: 'topic' })),
    queues: domains.map((domain) => ({ name: deadLetterQueue(domain), type: 'quorum' })),
    bindings: domains.map((domain) => ({
      exchange: deadLetterExchange(domain),
      queue: deadLetterQueue(domain),
      routingKey: '#',
    })),
    policies: [
      ...tasks.flatMap((task) =>
        lanesOf(task, service).map(({ queue }) => planPolicy(queue, task, retention[task.name] ?? {})),
      ),
      ...domains.map((domain) => ({
        name: queuePolicy(deadLetterQueue(domain)),
        pattern: exactly(deadLetterQueue(domain)),
        definition: { 'delivery-limit': DEAD_LETTER_DELIVERY_LIMIT },
      })),
    ],
  }
}

/** The regular expression that matches one queue's name. */
const exactly = (queue: string): string => `^${queue.replaceAll('.', '\\.')}$`

function planPolicy(queue: string, task: RoutedTask, retention: Retention): PolicyPlan {
  const ttl = retention.ttlMs === undefined ? {} : { 'message-ttl': retention.ttlMs }
  const deadLetter = { 'dead-letter-exchange': deadLetterExchange(domainOf(task.name)) }
  return {
    name: queuePolicy(queue),
    pattern: exactly(queue),
    definition:
      task.queue.type === 'classic'
        ? { ...deadLetter, ...ttl }
        : {
            ...deadLetter,
            // At-least-once needs reject-publish: with any other overflow RabbitMQ silently falls back to at-most-once.
            'dead-letter-strategy': 'at-least-once',
            overflow: 'reject-publish',
            'delivery-limit': retention.deliveryLimit ?? DEFAULT_DELIVERY_LIMIT,
            ...ttl,
          },
  }
}

/** Combines several plans: an operator's parts for several services, or with the delay levels. */
export function joinPlans(...plans: readonly OperatorPlan[]): OperatorPlan {
  return {
    exchanges: plans.flatMap(({ exchanges }) => exchanges),
    queues: plans.flatMap(({ queues }) => queues),
    bindings: plans.flatMap(({ bindings }) => bindings),
    links: plans.flatMap(({ links = [] }) => links),
    policies: plans.flatMap(({ policies }) => policies),
  }
}
