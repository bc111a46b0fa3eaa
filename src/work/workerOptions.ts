/** What a worker is made with. */
import { defaults, is, settleOptions } from '../options.js'
import { DEFAULT_DELIVERY_LIMIT } from '../task/topology.js'

export interface WorkerOptions {
  /** The consumer application: the last part of its queues' names. All workers of a service share its queues. */
  readonly service: string
  /** How many handlers run at the same time. Default 1. */
  readonly concurrency?: number | undefined
  /**
   * How many unacknowledged messages each queue's consumer holds at most, the running ones included. RabbitMQ advises
   * at most 2,000 on quorum queues. A large one is fast with short tasks and unfair with long ones. Default: it adapts,
   * so that what is held and not running lasts about a tenth of a second.
   */
  readonly prefetch?: number | undefined
  /**
   * How often a classic queue may hand a message out again before Warren dead-letters it; the count is kept in the result
   * store. On a quorum queue RabbitMQ counts, and its policy's `delivery-limit` rules. Default 20.
   */
  readonly deliveryLimit?: number | undefined
  /**
   * RabbitMQ's consumer timeout: how long it lets a message be unacknowledged before it hands it to another worker. Say it
   * where RabbitMQ's configuration or a policy sets another: `start()` warns of tasks that may take longer. From 4.3 on
   * RabbitMQ is asked for it, for this worker's quorum queues. Default: RabbitMQ's own, 30 minutes.
   */
  readonly consumerTimeoutMs?: number | undefined
  /** How long `stop()` waits for running attempts, in milliseconds; `Infinity` for as long as they take. Default 30,000. */
  readonly gracePeriodMs?: number | undefined
  /**
   * Declares the dead-letter exchange and queue of each domain at the start, for a service whose user may. Default false:
   * the operator predefines them.
   */
  readonly declareDeadLetters?: boolean | undefined
  /**
   * Answers Celery's tools: `celery inspect`, `celery control revoke`, `celery events`, Flower. Default true; a worker
   * whose user may not says so once.
   */
  readonly celeryRemote?: boolean | undefined
}

/** RabbitMQ's advice for quorum queues (https://www.rabbitmq.com/docs/consumer-prefetch); AMQP itself allows 65,535. */
const MAX_PREFETCH = 2_000

/** RabbitMQ counts it with a timer of Erlang's, which takes 32 bits. */
const MAX_CONSUMER_TIMEOUT_MS = 2 ** 32 - 1

/** The options, checked, with defaults. */
export function settleWorkerOptions(options: WorkerOptions) {
  return settleOptions(
    'worker',
    options,
    {
      service: is.matching(/^[A-Za-z0-9_.-]{1,50}$/, 'up to 50 letters, digits, _, . and -'),
      concurrency: is.integer(1, 10_000),
      prefetch: is.integer(1, MAX_PREFETCH),
      deliveryLimit: is.integer(1),
      consumerTimeoutMs: is.integer(1_000, MAX_CONSUMER_TIMEOUT_MS),
      gracePeriodMs: is.duration(0, { forever: true }),
      declareDeadLetters: is.flag,
      celeryRemote: is.flag,
    },
    {
      concurrency: defaults.concurrency,
      deliveryLimit: DEFAULT_DELIVERY_LIMIT,
      gracePeriodMs: defaults.gracePeriodMs,
      declareDeadLetters: false,
      celeryRemote: true,
    },
    ['service'],
  )
}
