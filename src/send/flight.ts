/**
 * What is in flight on the present channel, by the tag of the confirm that each message waits for, lowest first.
 *
 * A message that passed its deadline is settled, but the broker may still answer it, or close the channel because of it.
 * So its record stays until then, without its content. It takes no room in the window.
 */
import type { Outgoing } from './outgoing.js'

export class Flight {
  readonly #byTag = new Map<number, Outgoing>()
  #live = 0
  #bytes = 0

  /** How many that are not settled. */
  get live(): number {
    return this.#live
  }

  /** The bytes of those. */
  get bytes(): number {
    return this.#bytes
  }

  /** The one that was written first, settled or not. */
  get oldest(): Outgoing | undefined {
    for (const outgoing of this.#byTag.values()) return outgoing
    return undefined
  }

  values(): IterableIterator<Outgoing> {
    return this.#byTag.values()
  }

  add(outgoing: Outgoing, tag: number): void {
    outgoing.tag = tag
    this.#byTag.set(tag, outgoing)
    this.#live++
    this.#bytes += outgoing.bytes
  }

  /** The message was settled without an answer from the broker. */
  abandon(outgoing: Outgoing): void {
    if (outgoing.tag === 0) return
    this.#live--
    this.#bytes -= outgoing.bytes
  }

  /** Takes out what an answer is for; `multiple` covers all tags up to this one. */
  answered(tag: number, multiple: boolean): Outgoing[] {
    const answered: Outgoing[] = []
    if (multiple) {
      for (const [each, outgoing] of this.#byTag) {
        if (each > tag) break
        answered.push(outgoing)
      }
    } else {
      const outgoing = this.#byTag.get(tag)
      if (outgoing !== undefined) answered.push(outgoing)
    }
    for (const outgoing of answered) {
      this.#byTag.delete(outgoing.tag)
      if (!outgoing.settled) this.abandon(outgoing)
      outgoing.tag = 0
    }
    return answered
  }

  /** Takes everything out: the channel is gone. */
  takeAll(): Outgoing[] {
    const all = [...this.#byTag.values()]
    for (const outgoing of all) outgoing.tag = 0
    this.#byTag.clear()
    this.#live = 0
    this.#bytes = 0
    return all
  }
}
