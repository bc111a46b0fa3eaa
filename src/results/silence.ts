/** Notices a store that keeps its connection open and answers nothing: one that is frozen, or cut off. */
import { withDeadline } from '../amqp/deadline.js'

/** A store that has not answered for this long is taken for gone, and its connection is made anew. */
const SILENCE_MS = 5_000

export class Silence {
  readonly #ping: () => Promise<unknown> | undefined
  readonly #silent: (reason: string) => void
  #timer: NodeJS.Timeout | undefined

  /** `ping` asks anything, or returns undefined when there is nobody to ask. `silent` is called when it has no answer. */
  constructor(ping: () => Promise<unknown> | undefined, silent: (reason: string) => void) {
    this.#ping = ping
    this.#silent = silent
  }

  start(): void {
    this.#timer = setInterval(() => void this.#watch(), SILENCE_MS)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #watch(): Promise<void> {
    const asked = this.#ping()
    if (asked === undefined) return
    try {
      // An error is an answer.
      await withDeadline(
        asked.catch(() => undefined),
        SILENCE_MS,
        'PING',
      )
    } catch {
      this.#silent(`no answer for ${SILENCE_MS} ms`)
    }
  }
}
