/**
 * Counts runs that a consumer timeout ended, where RabbitMQ does not: from 4.3 on a message that hangs would be handed out
 * again for ever. The worker whose message was taken back notes it, in the store where there is one, and in its memory. Who
 * gets the message next returns it once for each such run, in the way that RabbitMQ counts (`basic.reject`), before it is
 * run. So the limit stays the queue's own, and RabbitMQ dead-letters by it.
 */
import { ConsumerTimeoutError } from '../errors/index.js'
import type { Results } from '../results/store.js'
import type { Envelope } from '../wire/envelope.js'
import { deliveriesKey, headers } from '../wire/names.js'
import { acquiredCount, deliveryCount } from '../wire/redelivery.js'
import type { Delivery } from './delivery.js'
import type { Gate, GatedAttempt, Passing } from './gate.js'

/** How many messages are remembered at most. A message that hangs is rare. */
const MAX_REMEMBERED = 1_000

/** What a message is counted under: sent back from the dead letters, or sent again, it starts anew. */
export function countedAs({ message }: Delivery, { id, run }: Pick<Envelope, 'id' | 'run'>): string {
  const redriven: unknown = message.properties.headers?.[headers.redriven]
  return `${id}${typeof redriven === 'number' ? `-redriven-${redriven}` : ''}${run > 0 ? `-run-${run}` : ''}`
}

export class TimedOut implements Gate {
  readonly #results: Results | undefined
  readonly #remembered = new Map<string, number>()

  constructor(results: Results | undefined) {
    this.#results = results
  }

  enter({ delivery }: GatedAttempt, envelope: Envelope): Passing | Promise<Passing> {
    if (!delivery.redelivered) return undefined
    const [acquired, counted = 0] = [acquiredCount(delivery.message), deliveryCount(delivery.message)]
    // All that came back was counted; or the broker counts everything.
    if (acquired === undefined || acquired <= counted) return undefined
    return this.#timesOut(delivery, envelope).then((times) =>
      times > counted ? { kind: 'returned', counted: true } : undefined,
    )
  }

  leave({ delivery }: GatedAttempt): void {
    const { envelope, lostReason, queue } = delivery
    if (!(lostReason instanceof ConsumerTimeoutError) || envelope === undefined) return
    const [key, times] = this.#recall(delivery, envelope)
    this.#remembered.delete(key)
    this.#remembered.set(key, times + 1)
    const [oldest] = this.#remembered.keys()
    if (this.#remembered.size > MAX_REMEMBERED && oldest !== undefined) this.#remembered.delete(oldest)
    if (this.#results?.available) {
      this.#results.countRedelivery(queue.name, countedAs(delivery, envelope)).catch(() => undefined)
    }
  }

  async #timesOut(delivery: Delivery, envelope: Envelope): Promise<number> {
    const [key, remembered] = this.#recall(delivery, envelope)
    if (!this.#results?.available) return remembered
    const noted = await this.#results.ask((commands) => commands.get(key)).catch(() => null)
    return Math.max(remembered, Number(noted ?? 0))
  }

  #recall(delivery: Delivery, envelope: Envelope): [key: string, times: number] {
    const key = deliveriesKey(delivery.queue.name, countedAs(delivery, envelope))
    return [key, this.#remembered.get(key) ?? 0]
  }
}
