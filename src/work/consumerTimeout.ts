/**
 * RabbitMQ's consumer timeout: how long a message may be unacknowledged before RabbitMQ takes it back. Up to 4.2 it closes
 * the whole channel; from 4.3 on it cancels the one consumer, and takes back what has timed out and nothing else.
 *
 * RabbitMQ tells no client how long its timeout is, so the worker's options say it where it is not the default; from 4.3 on
 * RabbitMQ is then asked for it as well. Nor has AMQP words for what happened: `basic.cancel` gives no reason, and a
 * channel's end a text.
 */
import { type Broker, DEFAULT_CONSUMER_TIMEOUT_MS } from '../amqp/broker.js'
import type { Connection } from '../amqp/connection.js'
import { queueFacts } from '../amqp/passive.js'
import { ClosedError, ConsumerTimeoutError } from '../errors/index.js'
import type { Task } from '../task/task.js'
import type { QueueType } from '../task/topology.js'
import type { DeliveryQueue } from './delivery.js'

/** After `basic.cancel` from the broker. */
export interface Cancelling {
  readonly reason: Error
  /**
   * Whether what the consumer holds is still counted as held by it, but for what has timed out. Left so, the next message
   * to time out would end the whole channel.
   */
  readonly keepsTheRest: boolean
}

/** What a consumer of one queue does about the timeout. */
export interface OnConsumerTimeout {
  /** The arguments of `basic.consume`, which ask for it where the broker takes them. */
  readonly consumeArguments: () => Readonly<Record<string, unknown>>
  /** Why the broker cancelled a consumer that has held its oldest message, if any, for `heldMs`. Never rejects. */
  readonly whyCancelled: (heldMs: number | undefined) => Promise<Cancelling>
}

/** How long a queue gets to say whether it exists. Attempts whose messages may be taken back run on meanwhile. */
const ASK_TIMEOUT_MS = 2_000

export const onConsumerTimeout = (
  connection: Pick<Connection, 'broker' | 'model'>,
  queue: DeliveryQueue,
  timeoutMs: number | undefined,
): OnConsumerTimeout => ({
  consumeArguments: () => {
    const { broker } = connection
    const takesIt = broker?.consumerTimeout.ends === 'consumer' && appliesTo(broker, queue.type)
    return timeoutMs !== undefined && takesIt ? { 'x-consumer-timeout': timeoutMs } : {}
  },
  whyCancelled: async (heldMs) => {
    const { broker, model } = connection
    const gone = new Error('the broker cancelled the consumer: the queue was deleted, or its node went down')
    if (broker?.consumerTimeout.ends !== 'consumer') return { reason: gone, keepsTheRest: false }
    if (model === undefined || heldMs === undefined) return { reason: gone, keepsTheRest: true }
    const facts = await queueFacts(model, queue.name, ASK_TIMEOUT_MS).catch(() => undefined)
    return { reason: facts === undefined ? gone : new ConsumerTimeoutError(queue.name, { heldMs }), keepsTheRest: true }
  },
})

/** RabbitMQ up to 4.2: "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 1800000 ms." */
const TIMED_OUT = /delivery acknowledgement on channel \d+ timed out\. Timeout value used: (\d+) ms/

/** Why what a channel delivered is lost, after it was closed with `text` as the reason. */
export function whyClosed(queue: DeliveryQueue, text: string): Error {
  const [, timeoutMs] = TIMED_OUT.exec(text) ?? []
  return timeoutMs === undefined
    ? new ClosedError(`The channel that delivered it (${text})`)
    : new ConsumerTimeoutError(queue.name, { timeoutMs: Number(timeoutMs) })
}

/** A sentence for each task that may run for longer than RabbitMQ lets it. */
export function timeoutProblems(
  broker: Broker | undefined,
  tasks: readonly Task[],
  given: number | undefined,
): string[] {
  if (broker === undefined) return []
  const timeoutMs = given ?? DEFAULT_CONSUMER_TIMEOUT_MS
  const source = given === undefined ? "RabbitMQ's default consumer timeout" : 'consumerTimeoutMs'
  return tasks
    .filter(({ queue, timeoutMs: limitMs = 0 }) => limitMs > timeoutMs && appliesTo(broker, queue.type))
    .map(
      ({ name, timeoutMs: limitMs }) =>
        `An attempt at ${name} may take ${limitMs} ms (its timeoutMs), and RabbitMQ takes its message back after ${timeoutMs} ms (${source}). Lower timeoutMs; or raise the timeout in RabbitMQ (consumer_timeout, or consumer-timeout in the queue's policy) and say so with the worker's consumerTimeoutMs.`,
    )
}

const appliesTo = ({ consumerTimeout }: Broker, type: QueueType): boolean =>
  consumerTimeout.of === 'all' || type === 'quorum'
