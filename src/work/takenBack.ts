/** Why RabbitMQ has taken messages back. AMQP has no words for it: `basic.cancel` gives no reason, and a channel's end a text. */
import type { Connection } from '../amqp/connection.js'
import { queueFacts } from '../amqp/passive.js'
import { ClosedError, ConsumerTimeoutError } from '../errors/index.js'
import type { DeliveryQueue } from './delivery.js'

export interface Cancelling {
  readonly reason: Error
  /**
   * Whether what the consumer holds is still counted as held by it, but for what has timed out. Left so, the next message
   * to time out would end the whole channel.
   */
  readonly keepsTheRest: boolean
}

/** How long a queue gets to say whether it exists. Attempts whose messages may be taken back run on meanwhile. */
const ASK_TIMEOUT_MS = 2_000

/** After `basic.cancel` from the broker. `heldMs`: how long the consumer has held its oldest message, if any. */
export async function whyCancelled(
  { broker, model }: Pick<Connection, 'broker' | 'model'>,
  queue: DeliveryQueue,
  heldMs: number | undefined,
): Promise<Cancelling> {
  const gone = new Error('the broker cancelled the consumer: the queue was deleted, or its node went down')
  if (broker?.consumerTimeout.ends !== 'consumer') return { reason: gone, keepsTheRest: false }
  if (model === undefined || heldMs === undefined) return { reason: gone, keepsTheRest: true }
  const facts = await queueFacts(model, queue.name, ASK_TIMEOUT_MS).catch(() => undefined)
  return { reason: facts === undefined ? gone : new ConsumerTimeoutError(queue.name, { heldMs }), keepsTheRest: true }
}

/** RabbitMQ up to 4.2: "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 1800000 ms." */
const TIMED_OUT = /delivery acknowledgement on channel \d+ timed out\. Timeout value used: (\d+) ms/

/** After a channel was closed with `text` as the reason. */
export function whyClosed(queue: DeliveryQueue, text: string): Error {
  const [, timeoutMs] = TIMED_OUT.exec(text) ?? []
  return timeoutMs === undefined
    ? new ClosedError(`The channel that delivered it (${text})`)
    : new ConsumerTimeoutError(queue.name, { timeoutMs: Number(timeoutMs) })
}
