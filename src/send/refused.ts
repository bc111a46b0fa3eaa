/** Messages that the broker refused (nack) wait here, longer each time, before they are written again. */
import { jittered } from '../amqp/backoff.js'
import type { Outgoing } from './outgoing.js'

const NACK_DELAY_MS = 50
const NACK_MAX_DELAY_MS = 2_000

export class Refused {
  readonly #timers = new Map<NodeJS.Timeout, Outgoing>()

  values(): IterableIterator<Outgoing> {
    return this.#timers.values()
  }

  /** Calls `back` after the delay, unless the message is settled by then. */
  add(outgoing: Outgoing, back: (outgoing: Outgoing) => void): void {
    const act = (): void => {
      this.#timers.delete(timer)
      if (!outgoing.settled) back(outgoing)
    }
    const timer = setTimeout(act, jittered(NACK_DELAY_MS, outgoing.nacks++, NACK_MAX_DELAY_MS))
    this.#timers.set(timer, outgoing)
  }

  takeAll(): Outgoing[] {
    const all = [...this.#timers.values()]
    for (const timer of this.#timers.keys()) clearTimeout(timer)
    this.#timers.clear()
    return all
  }
}
