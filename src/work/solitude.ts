/**
 * Runs suspects, each alone: nothing else starts, and the consumers take nothing new, until none is left. Which of them is
 * next, the quarantine knows.
 */
import type { Consumer } from './consumer.js'
import type { Delivery } from './delivery.js'
import type { Quarantine } from './quarantine.js'

export interface SolitudeOptions {
  readonly quarantine: Quarantine
  readonly consumers: readonly Consumer[]
  readonly stopping: () => boolean
  /** Requeues what has not started. */
  readonly giveBack: (which: (delivery: Delivery) => boolean) => void
  readonly attempt: (suspect: Delivery) => Promise<void>
  /** Others may start. */
  readonly onOver: () => void
}

/** How long the consumers get to stop before a suspect runs: a frozen node must not hold up the other queues. */
const PAUSE_LIMIT_MS = 1_000

export class Solitude {
  readonly #options: SolitudeOptions
  #alone = false

  constructor(options: SolitudeOptions) {
    this.#options = options
  }

  /** A suspect runs, or is about to, and nothing else. */
  get alone(): boolean {
    return this.#alone
  }

  add(delivery: Delivery): void {
    this.#options.quarantine.add(delivery)
    void this.#pauseAll()
  }

  /** Runs the next suspect. Call it when nothing runs. */
  async runNext(): Promise<void> {
    const { quarantine, stopping, attempt, onOver } = this.#options
    if (quarantine.size === 0 || this.#alone) return
    this.#alone = true
    // Which one runs first matters, so all that are on their way are waited for.
    await this.#pauseAll()
    const suspect = await quarantine.next()
    if (suspect !== undefined) {
      if (stopping()) suspect.giveBack()
      else await attempt(suspect)
      // Also where nobody ran it: the mark would say that it killed this worker.
      await quarantine.clear(suspect)
    }
    this.#alone = false
    this.resume()
    onOver()
  }

  /** Takes messages again once no suspect is left. */
  resume(): void {
    const { quarantine, consumers, stopping } = this.#options
    if (quarantine.size > 0 || this.#alone || stopping()) return
    for (const consumer of consumers) void consumer.resume()
  }

  /** What a cancelled subscription holds is stuck when its node goes down, and others may be idle while it waits here. */
  async #pauseAll(): Promise<void> {
    await Promise.all(
      this.#options.consumers.map(async (consumer) => {
        await consumer.pause(PAUSE_LIMIT_MS)
        if (consumer.state === 'paused') this.#options.giveBack(({ queue }) => queue === consumer.queue)
      }),
    )
  }
}
