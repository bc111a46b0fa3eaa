/**
 * Messages that may kill the worker that runs them: held, not started, and to be run one at a time with nothing beside
 * them. Each time a killer strikes, everything its worker held is handed out once more and comes nearer to its delivery
 * limit, so the order matters: the innocent first.
 *
 * Which one is the killer, the store knows: a suspect is marked there before it runs, and the mark is taken away when
 * its attempt has ended. A mark that is found was left by a worker that died. Without a store the order is random, which
 * halves the innocent behind a killer each time.
 */
import type { Results } from '../results/store.js'
import type { Delivery } from './delivery.js'

export class Quarantine {
  readonly #results: Results | undefined
  #held: Delivery[] = []

  constructor(results: Results | undefined) {
    this.#results = results
  }

  get size(): number {
    return this.#held.length
  }

  add(delivery: Delivery): void {
    this.#held.splice(Math.floor(Math.random() * (this.#held.length + 1)), 0, delivery)
  }

  /** Takes out the next one to run, and marks it as running. Undefined when none is left. */
  async next(): Promise<Delivery | undefined> {
    const results = this.#results?.available ? this.#results : undefined
    const ids = this.#held.map(({ id }) => id).filter((id) => id !== undefined)
    const marked = new Set(await results?.marked(ids).catch(() => undefined))
    this.prune()
    const innocent = this.#held.find(({ id }) => id === undefined || !marked.has(id))
    const suspect = innocent ?? this.#held[0]
    if (suspect === undefined) return undefined
    this.#held = this.#held.filter((delivery) => delivery !== suspect)
    if (suspect.id !== undefined) await results?.mark(suspect.id).catch(() => undefined)
    // While it was marked, its channel may have died: then it is another worker's.
    if (suspect.held) return suspect
    await this.clear(suspect)
    return this.next()
  }

  /** Its attempt has ended, and the worker lives. */
  async clear({ id }: Delivery): Promise<void> {
    if (this.#results?.available && id !== undefined) await this.#results.unmark(id).catch(() => undefined)
  }

  /** Drops what is not held any more. */
  prune(): void {
    this.#held = this.#held.filter(({ held }) => held)
  }

  /** Takes out all for which `is` holds. */
  remove(is: (delivery: Delivery) => boolean): Delivery[] {
    const removed = this.#held.filter(is)
    this.#held = this.#held.filter((delivery) => !is(delivery))
    return removed
  }
}
