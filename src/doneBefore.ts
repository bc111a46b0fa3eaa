/**
 * Whether a message's task is done already, by another delivery of it. Only a message of which there may be one is looked
 * up: redelivered; published again; or old, since it may have been stuck in a frozen node and was published again
 * meanwhile. The store is asked when the message comes, together with the others that come then, so that no attempt waits
 * for the answer.
 */
import type { Delivery } from './consumer.js'
import { headers } from './names.js'
import { idOf, wasDelivered } from './redelivery.js'
import type { Results } from './results.js'

/** Less than any connection takes to be given up that is not closed at once. */
const OLD_MS = 2_000

interface Lookup {
  readonly at: number
  readonly done: Promise<boolean>
}

export class DoneBefore {
  readonly #results: Results | undefined
  readonly #lookups = new WeakMap<Delivery, Lookup>()

  constructor(results: Results | undefined) {
    this.#results = results
  }

  /** Asks the store about a delivery that has just come. */
  lookUp(delivery: Delivery): void {
    if (mayHaveAnother(delivery)) this.#ask(delivery, idOf(delivery.message))
  }

  /** Whether the task is done, when its attempt begins. False where that cannot be found out. */
  async isDone(delivery: Delivery, id: string): Promise<boolean> {
    const lookup = this.#lookups.get(delivery)
    // What lay here for a while, in a worker that was frozen say, may have been done elsewhere since.
    if (lookup !== undefined && Date.now() - lookup.at < OLD_MS) return lookup.done
    return mayHaveAnother(delivery) && (await this.#ask(delivery, id))
  }

  #ask(delivery: Delivery, id: string): Promise<boolean> | false {
    const results = this.#results
    if (results === undefined) return false
    const done = results.get(id).then(
      (result) => result?.status === 'SUCCESS',
      () => false,
    )
    this.#lookups.set(delivery, { at: Date.now(), done })
    return done
  }
}

function mayHaveAnother({ message }: Delivery): boolean {
  const { timestamp, headers: sent } = message.properties
  const publishedAt = typeof timestamp === 'number' ? timestamp * 1000 : 0
  return wasDelivered(message) || sent?.[headers.republished] === true || Date.now() - publishedAt >= OLD_MS
}
