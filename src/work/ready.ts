/** Deliveries that are due and have not started, oldest first. Whether one is still ours, it says itself. */
import type { Delivery } from './delivery.js'
import { mayBeRequeued } from './pauses.js'
import { Picker } from './picker.js'

export class Ready {
  #all: Delivery[] = []
  #picker: Picker | undefined

  /** All of them, also what is not held any more. */
  get length(): number {
    return this.#all.length
  }

  get list(): readonly Delivery[] {
    return this.#all
  }

  get held(): number {
    return this.#all.reduce((count, { held }) => (held ? count + 1 : count), 0)
  }

  /** Some come from queues of a high or a low priority. */
  pickByPriority(): void {
    this.#picker ??= new Picker()
  }

  add(delivery: Delivery, first: boolean): void {
    if (first) this.#all.unshift(delivery)
    else this.#all.push(delivery)
  }

  /** Takes out the one that runs next. */
  next(): Delivery | undefined {
    return this.#picker === undefined ? this.#all.shift() : this.#picker.take(this.#all)
  }

  /** Takes out all for which `which` holds. */
  take(which: (delivery: Delivery) => boolean): Delivery[] {
    const taken = this.#all.filter(which)
    if (taken.length > 0) this.#all = this.#all.filter((delivery) => !which(delivery))
    return taken
  }

  /** Up to `count` of the newest that may be requeued. A pack's member would have to be published. */
  newest(count: number): Delivery[] {
    const cheap = (delivery: Delivery): boolean => delivery.pack === undefined && mayBeRequeued(delivery)
    return count > 0 ? this.#all.filter(cheap).slice(-count) : []
  }

  /** Drops what is not held any more. */
  prune(): void {
    this.#all = this.#all.filter(({ held }) => held)
  }
}
