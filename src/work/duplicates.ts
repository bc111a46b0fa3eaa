/**
 * Whether a message's task is done already, by another delivery of it. Only a message of which there may be one is looked
 * up: redelivered; published again; sent under an id that was sent before; old, since it may have been stuck in a frozen
 * node and was published again meanwhile; or any at all in times of trouble. The store is asked when the message comes,
 * together with the others that come then, so that no attempt waits for the answer; once more when the attempt begins,
 * where another worker may have run it while it lay here.
 *
 * A look-up has a limit, and a store that is away is not asked: the handler runs, and only storing waits.
 */
import type { Results } from '../results/store.js'
import { headers } from '../wire/names.js'
import type { StoredResult } from '../wire/resultFormat.js'
import type { Delivery } from './delivery.js'

/** Less than any connection takes to be given up that is not closed at once. */
const OLD_MS = 2_000
/** How long "not done" counts of what somebody else may be running at this moment. */
const RECENT_MS = 5
/**
 * How long after a message that was published again any other may be the first copy of one, which nothing shows: what a
 * node held back comes after its second copy, and both within moments of being sent.
 */
const TROUBLE_MS = 30_000

interface Lookup {
  readonly at: number
  readonly done: Promise<boolean>
}

export class Duplicates {
  readonly #results: Results | undefined
  readonly #lookups = new WeakMap<Delivery, Lookup>()
  /** When the last message came that was published again. */
  #troubleAt = Number.NEGATIVE_INFINITY

  constructor(results: Results | undefined) {
    this.#results = results
  }

  /** Asks the store about a delivery that has just come. */
  lookUp(delivery: Delivery): void {
    if (wasRepublished(delivery)) this.#troubleAt = performance.now()
    if (this.#mayHaveAnother(delivery)) void this.#ask(delivery)
  }

  /** Whether the task is done, when its attempt begins: at once for most. False where that cannot be found out. */
  isDone(delivery: Delivery): Promise<boolean> | false {
    const lookup = this.#lookups.get(delivery)
    if (lookup !== undefined) return this.#isDoneSince(delivery, lookup)
    return this.#mayHaveAnother(delivery) && this.#ask(delivery)
  }

  async #isDoneSince(delivery: Delivery, lookup: Lookup): Promise<boolean> {
    // What is done stays done.
    if (await lookup.done) return true
    // While it lay here, it may have been done elsewhere.
    if (performance.now() - lookup.at < (this.#isLikely(delivery) ? RECENT_MS : OLD_MS)) return false
    return this.#mayHaveAnother(delivery) && this.#ask(delivery)
  }

  /** Asks anew, whatever is known: another copy of the message may have ended at this moment. */
  async isDoneNow(delivery: Delivery): Promise<boolean> {
    return this.#ask(delivery)
  }

  #ask(delivery: Delivery): Promise<boolean> | false {
    const results = this.#results
    const { id } = delivery
    if (results === undefined || id === undefined || !results.available) return false
    const done = results.get(id).then(
      (result) => result?.status === 'SUCCESS' && isOfQueue(result, delivery),
      () => false,
    )
    this.#lookups.set(delivery, { at: performance.now(), done })
    return done
  }

  #mayHaveAnother(delivery: Delivery): boolean {
    return this.#isLikely(delivery) || isOld(delivery)
  }

  /** Whether there was another delivery of it, or another copy, for all that is known. */
  #isLikely(delivery: Delivery): boolean {
    return delivery.redelivered || delivery.envelope?.run !== 0 || performance.now() - this.#troubleAt < TROUBLE_MS
  }
}

/** Another service's success says nothing of this service's message. One that names no queue is Celery's. */
const isOfQueue = ({ queue }: StoredResult, delivery: Delivery): boolean =>
  queue === undefined || queue === delivery.queue.name

/** An id of the sender's choice is no sign of trouble: it says so of its own message only. */
const wasRepublished = ({ message, envelope }: Delivery): boolean =>
  message.properties.headers?.[headers.republished] === true && envelope?.run === 0

function isOld({ message }: Delivery): boolean {
  const { timestamp } = message.properties
  return Date.now() - (typeof timestamp === 'number' ? timestamp * 1000 : 0) >= OLD_MS
}
