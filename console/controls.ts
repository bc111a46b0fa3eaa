/**
 * What the store holds about queues and tasks: pauses and limits. Asked again each few seconds while somebody watches, and kept;
 * undefined before the first answer, and while the store does not answer.
 */
import type { LimitInfo, PausedQueue, Warren } from 'warren'

const EVERY_MS = 4_000

export class Controls {
  readonly #open: () => Promise<Warren>
  #paused: readonly PausedQueue[] | undefined
  #limits: readonly LimitInfo[] | undefined
  #askedAt = Number.NEGATIVE_INFINITY
  #asking = false

  /** Opens nothing until it is asked to look. */
  constructor(open: () => Promise<Warren>) {
    this.#open = open
  }

  get paused(): readonly PausedQueue[] | undefined {
    return this.#paused
  }

  /** Of a task, and of its keys; undefined where that is not known. */
  limitsOf(task: string | undefined): readonly LimitInfo[] | undefined {
    return this.#limits?.filter((limit) => limit.task === task)
  }

  /** Asks unless it was asked just now. Never rejects. */
  async look(now = performance.now()): Promise<void> {
    if (this.#asking || now - this.#askedAt < EVERY_MS) return
    this.#asking = true
    this.#askedAt = now
    try {
      const warren = await this.#open()
      ;[this.#paused, this.#limits] = await Promise.all([warren.paused(), warren.limits.list()])
    } catch {
      this.#paused = undefined
      this.#limits = undefined
    } finally {
      this.#asking = false
    }
  }

  /** Something was changed: what is known is old. */
  async lookAgain(): Promise<void> {
    this.#askedAt = Number.NEGATIVE_INFINITY
    await this.look()
  }
}
