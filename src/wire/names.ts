/**
 * Every exchange, queue, policy, header, key and channel name that Warren uses comes from this file and no other.
 *
 * The scheme: a task's name is its routing key, `<domain>.<entity>.<action>`; the domain is the first segment.
 */

/** The domain of a task: the first segment of its name, `user` of `user.account.create`. */
export function domainOf(taskName: string): string {
  const end = taskName.indexOf('.')
  return end < 0 ? taskName : taskName.slice(0, end)
}

/** The durable topic exchange that carries a domain's task messages. */
export const commandsExchange = (domain: string): string => `${domain}.commands`

/** The queue in which one service receives one task. */
export const taskQueue = (taskName: string, service: string): string => `${taskName}.${service}`

/** Precedes the lane in routing keys and queue names; no task or service name contains it. */
const LANE_MARK = '@'

/** The routing key of one of a task's lanes: a priority or a partition. Empty for the task's own queue. */
export const laneKey = (taskName: string, lane: string): string =>
  lane === '' ? taskName : `${taskName}${LANE_MARK}${lane}`

/** The queue of one of a task's lanes. */
export const laneQueue = (queue: string, lane: string): string => (lane === '' ? queue : `${queue}${LANE_MARK}${lane}`)

/** The name without its lane: the task of a routing key, or the task's own queue for a queue. */
export function withoutLane(name: string): string {
  const at = name.indexOf(LANE_MARK)
  return at < 0 ? name : name.slice(0, at)
}

/** The lane of a queue or a routing key; empty for the task's own. */
export const laneIn = (name: string): string => name.slice(withoutLane(name).length + 1)

/** The service of a task's queue, or of one of its lanes. */
export const serviceOf = (queue: string, taskName: string): string => withoutLane(queue).slice(taskName.length + 1)

/** The exchange to which a domain's messages are dead-lettered. The operator predefines it. */
export const deadLetterExchange = (domain: string): string => `${domain}.dlx`

/** The quorum queue that keeps a domain's dead letters. The operator predefines it. */
export const deadLetterQueue = (domain: string): string => `${domain}.dlq`

/** The prefix of all exchanges and queues of the delay levels. */
export const DELAY_PREFIX = 'warren.delay.'

const twoDigits = (level: number): string => String(level).padStart(2, '0')

/** A delay level's exchange and queue, `warren.delay.level.00` to `.23`. The operator predefines them. */
export const delayLevel = (level: number): string => `${DELAY_PREFIX}level.${twoDigits(level)}`

/**
 * The header that says whether a message waits in a level: `1`, or `0` to skip it. A headers exchange ignores headers that
 * begin with `x-`.
 */
export const delayHeader = (level: number): string => `delay-${twoDigits(level)}`

/** The exchange behind all delay levels, to which every task queue is bound. */
export const DELAY_DUE = `${DELAY_PREFIX}due`

/** The exchange that exists as long as a queue takes a task's due messages: RabbitMQ deletes it with the last such queue. */
export const dueMark = (taskName: string): string => `${taskName}.due`

/** The exchange and the queue for delayed messages that no queue takes when they are due. */
export const DELAY_UNROUTABLE = `${DELAY_PREFIX}unroutable`

/** The exchange behind Celery's own delay levels, which its clients use from 5.5 on when their queues are quorum queues. */
export const CELERY_DELAY_DUE = 'celery_delayed_delivery'

/** For requests of Celery's tools to all workers; each worker has its own queue there. */
export const CELERY_CONTROL = 'celery.pidbox'

/** The queue of requests to one worker, by its node name in Celery's tools. */
export const celeryControlQueue = (node: string): string => `${node}.${CELERY_CONTROL}`

/** For workers' answers to Celery's tools, which declare it. */
export const CELERY_REPLIES = `reply.${CELERY_CONTROL}`

/** For workers' events to Celery's tools. */
export const CELERY_EVENTS = 'celeryev'

/** A routing key as it leaves Celery's levels: a binary digit for each of the 28, then the key that the client gave. */
const CELERY_DELAYED_KEY = /^(?:[01]\.){28}(.+)$/

/** Where a Celery client published a message that comes out of Celery's delay levels; undefined for any other. */
export function celeryOrigin(
  exchange: string,
  routingKey: string,
): { exchange: string; routingKey: string } | undefined {
  if (exchange !== CELERY_DELAY_DUE) return undefined
  const key = CELERY_DELAYED_KEY.exec(routingKey)?.[1]
  return key === undefined ? undefined : { exchange: commandsExchange(domainOf(key)), routingKey: key }
}
/** The quorum queue in which the workers of a service find the tokens of its schedules when they are due. */
export const ticksQueue = (service: string): string => `warren.ticks.${service}`

/** The policy that holds the retention of one queue: TTL, delivery limit, dead lettering, overflow. */
export const queuePolicy = (queue: string): string => queue

/** Celery's result key, and the name of the channel on which the result is announced. */
export const resultKey = (taskId: string): string => `celery-task-meta-${taskId}`

/** Where the members of a Celery chord meet: their ends (`.j`), what was added to their number (`.t`), their number (`.s`). */
export const chordKey = (group: string, part: '.j' | '.t' | '.s'): string => `${groupKey(group)}${part}`

/** What Celery keeps of a group whose members are groups themselves. */
export const groupKey = (group: string): string => `celery-taskset-meta-${group}`

/** The channels that announce every task's states. */
export const RESULT_CHANNELS = resultKey('*')

/**
 * The stream of a task's events, next to its result. In a cluster both must be in one slot, which braces determine: the result
 * key's own braces if it has them, otherwise braces around its whole key.
 */
export function eventsKey(taskId: string): string {
  const key = resultKey(taskId)
  return TAGGED.test(key) ? `warren-events-${key}` : `warren-events-{${key}}`
}

/** Whether a cluster keeps the stream and the result in one slot: not where braces in the id say nothing. */
export const hasEventsInCluster = (taskId: string): boolean => TAGGED.test(taskId) || !taskId.includes('}')

/** What is between the first `{` and the next `}`, if anything, is all that decides a key's slot. */
const TAGGED = /^[^{]*\{[^}]+\}/s

/** The store's count of redeliveries of a message from a classic queue, which keeps no count itself. */
export const deliveriesKey = (queue: string, taskId: string): string => `warren-deliveries-${queue}-${taskId}`

/** The store's mark on a message that may kill workers, while one runs it. */
export const suspectKey = (taskId: string): string => `warren-suspect-${taskId}`

/** The store's claim on a task's run in one queue, held while one copy of its message is run. */
export const onceKey = (queue: string, taskId: string): string => `warren-run-${queue}-${taskId}`

/** Which task of a given name holds a unique key in a virtual host. */
export const uniqueKey = (vhost: string, taskName: string, key: string): string =>
  `warren-unique-${encodeURIComponent(vhost)}:${taskName}:${key}`

/** The state of a rate limit: the time of its next start. */
export const rateKey = (vhost: string, taskName: string, key: string): string =>
  `warren-rate-${encodeURIComponent(vhost)}:${taskName}:${key}`

/** The places of a concurrency limit, and who holds them. */
export const placesKey = (vhost: string, taskName: string, key: string): string =>
  `warren-places-${encodeURIComponent(vhost)}:${taskName}:${key}`

/** The limits of a virtual host that were set at run time, by task and key. */
export const limitsKey = (vhost: string): string => `warren-limits-${vhost}`

/** The limits that workers found declared in their tasks, by task. */
export const declaredLimitsKey = (vhost: string): string => `warren-limits-declared-${vhost}`

/** A schedule's state in the store: a hash. */
export const scheduleKey = (service: string, id: string): string => `warren-schedule-${service}:${id}`

/** The schedules of a service, by when each token is due: a sorted set. */
export const schedulesKey = (service: string): string => `warren-schedules-${service}`

/** The services that have schedules: a set. */
export const SCHEDULED_SERVICES = 'warren-scheduled-services'

/**
 * A flow's state in the store, in keys of one slot: its plan and state; its steps' own inputs; which steps were sent;
 * its events, a stream; and for each gathering the ends of its members.
 */
export const flowKey = (flow: string): string => `warren-flow-{${flow}}`
export const flowInputsKey = (flow: string): string => `${flowKey(flow)}:inputs`
export const flowSentKey = (flow: string): string => `${flowKey(flow)}:sent`
export const flowEventsKey = (flow: string): string => `${flowKey(flow)}:events`
export const flowGatherKey = (flow: string, node: number): string => `${flowKey(flow)}:${node}`

/** The quorum queue in which workers find the watchdog tokens of flows. */
export const FLOWS_QUEUE = 'warren.flows'
/** Over which that queue gets the members of flows that RabbitMQ dead-letters. */
export const FLOWS_DEAD = 'warren.flows.dead'

/** What a Python worker sends, as any callback, when a member of a flow has ended there: its result, or its id. */
export const FLOW_SUCCEEDED = 'warren.flow.succeeded'
export const FLOW_FAILED = 'warren.flow.failed'

/** Exists if there was ever a flow in a virtual host, so that its workers consume tokens. */
export const flowsKey = (vhost: string): string => `warren-flows-${vhost}`

/** The tag of a flow's members, by which they are cancelled together. */
export const flowTag = (flow: string): string => `flow:${flow}`

/** The id of a step's task. */
export const flowMemberId = (flow: string, node: number): string => `${flow}.${node}`

/** Capped streams of how attempts ended in a virtual host: all of them; and the few that were no success, for searches. */
export const historyKey = (vhost: string): string => `warren-history-${vhost}`
export const unsuccessfulKey = (vhost: string): string => `warren-unsuccessful-${vhost}`

/** The cancellations of a virtual host: its fields are those of {@link cancelledField}. */
export const cancelledKey = (vhost: string): string => `warren-cancelled-${vhost}`

/** The object of a cancellation: one task by its id, or every task of a name or with a tag. */
export const cancelledField = (kind: 'id' | 'task' | 'tag', name: string): string => `${kind}:${name}`

/** The queues of a virtual host that are paused. */
export const pausedKey = (vhost: string): string => `warren-paused-${vhost}`

/** Counts the changes of the two above, so that who missed an announcement notices; and the channel that announces each. */
export const controlVersionKey = (vhost: string): string => `warren-control-version-${vhost}`
export const controlChannel = (vhost: string): string => `warren-control-${vhost}`

/** The channel that announces the results of everything a producer sent: one subscription for all of them. */
export const replyChannel = (producerId: string): string => `${REPLY_PREFIX}${producerId}`

/** Whether a message's `reply_to` names a Warren reply channel. Celery's rpc clients put the name of a queue there. */
export const isReplyChannel = (replyTo: string | undefined): replyTo is string =>
  replyTo?.startsWith(REPLY_PREFIX) === true

const REPLY_PREFIX = 'warren-replies-'

/**
 * Headers that Warren adds to a message, most of them when it dead-letters it. Those of the broker (`x-death`, `x-delivery-count`)
 * keep their own names. None starts with `x-death`, so that the broker's cycle detection is never involved.
 */
export const headers = {
  /** Why Warren dead-lettered the message: one of {@link DeadLetterReason}. */
  reason: 'x-warren-reason',
  /** The class name of the error behind it. */
  errorClass: 'x-warren-error-class',
  /** The message of the error behind it, cut to 1,000 characters. */
  errorMessage: 'x-warren-error-message',
  /** How many attempts were made, the last one included. */
  attempts: 'x-warren-attempts',
  /** The exchange that the message was first published to: where a redrive sends it back. */
  exchange: 'x-warren-exchange',
  /** The routing key that the message was first published with. */
  routingKey: 'x-warren-routing-key',
  /** The queue that it was taken from. */
  queue: 'x-warren-queue',
  /** When it was dead-lettered, as ISO 8601 in UTC. */
  at: 'x-warren-dead-lettered-at',
  /** Set on a message whose id may have been published before: again after a lost connection, or under an id of the caller's. */
  republished: 'x-warren-republished',
  /** The instant before which the message is not to be run, in milliseconds since 1970. */
  due: 'x-warren-due',
  /** When its sender sent it, in milliseconds since 1970. Every copy keeps it. */
  sent: 'x-warren-sent',
  /** The tags that its sender gave it, by which it can be cancelled. */
  tags: 'x-warren-tags',
  /** Set on a message of which several copies may be under way: they are not run at the same time. See `once.ts`. */
  once: 'x-warren-once',
  /** The unique key that the message was sent under, as JSON: see `uniqueMark.ts`. */
  unique: 'x-warren-unique',
  /** The start that a rate limit has reserved for the message, in milliseconds since 1970, and for which rate. */
  slot: 'x-warren-slot',
  /** How often it was handed out to a worker that died, before it waited for its limit: a copy is not counted by the broker. */
  deliveries: 'x-warren-deliveries',
  /** The lane of its task that the message was sent to: a priority or a partition. */
  lane: 'x-warren-lane',
  /** How many tasks the message carries: see `pack.ts`. */
  pack: 'x-warren-pack',
  /** The flow that the message is a member of, as JSON: see `flowMark.ts`. */
  flow: 'x-warren-flow',
  /** The schedule that sent the message. */
  schedule: 'x-warren-schedule',
  /** The tick of the schedule that the message is for, in milliseconds since 1970. */
  tick: 'x-warren-tick',
  /** How often the message was sent back from the dead letters. */
  redriven: 'x-warren-redriven',
  /** Which run of the task the message starts: see `Envelope.run`. */
  run: 'x-warren-run',
  /** The names of its sender's headers that a copy left out, since all of them did not fit into one AMQP frame. */
  headersDropped: 'x-warren-headers-dropped',
} as const

/** The longest error text that travels in a header, in characters: headers share one AMQP frame. */
export const MAX_ERROR_TEXT = 1000

/**
 * The headers of Celery's message protocol 2 that Warren writes or reads, and the W3C trace context beside them.
 * Source: https://docs.celeryq.dev/en/stable/internals/protocol.html, https://www.w3.org/TR/trace-context/.
 */
export const celeryHeaders = {
  lang: 'lang',
  task: 'task',
  id: 'id',
  rootId: 'root_id',
  parentId: 'parent_id',
  group: 'group',
  groupIndex: 'group_index',
  retries: 'retries',
  eta: 'eta',
  expires: 'expires',
  timeLimit: 'timelimit',
  origin: 'origin',
  ignoreResult: 'ignore_result',
  compression: 'compression',
  traceparent: 'traceparent',
  tracestate: 'tracestate',
} as const
