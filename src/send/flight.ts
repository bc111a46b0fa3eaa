/**
 * Messages in flight on the current channel, by the tag of their confirm, lowest first.
 *
 * A message past its deadline is settled, but the broker may still answer it, or close the channel because of it. So its record
 * stays until then, without its content, and does not count towards the window.
 */
import type { Outgoing } from './outgoing.js'

export class Flight {
  readonly #byTag = new Map<number, Outgoing>()
  #live = 0
  #bytes = 0

  /** The number of unsettled messages. */
  get live(): number {
    return this.#live
  }

  /** The bytes of unsettled messages. */
  get bytes(): number {
    return this.#bytes
  }

  /** The message written first, settled or not. */
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

  /** Removes the messages that an answer covers; `multiple` covers all tags up to this one. */
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

  /** Removes everything: the channel is gone. */
  takeAll(): Outgoing[] {
    const all = [...this.#byTag.values()]
    for (const outgoing of all) outgoing.tag = 0
    this.#byTag.clear()
    this.#live = 0
    this.#bytes = 0
    return all
  }
}
