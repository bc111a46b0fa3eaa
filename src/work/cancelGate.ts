/**
 * Keeps cancelled tasks from running, and aborts those that run. What is cancelled is known here already, so that no task
 * waits for the store, except where the control watch is behind, or an id may have been sent anew.
 */
import type { Found } from '../control/board.js'
import type { ControlWatch } from '../control/watch.js'
import { CancelledError } from '../errors/index.js'
import type { Envelope } from '../wire/envelope.js'
import type { Gate, GatedAttempt, Passing } from './gate.js'

/** How long a message waits of which only the store knows whether it is cancelled, while that does not answer. */
const UNKNOWN_MS = 5_000

export class CancelGate implements Gate {
  readonly #control: ControlWatch
  readonly #running = new Map<GatedAttempt, Envelope>()
  readonly #stopListening: () => void

  constructor(control: ControlWatch) {
    this.#control = control
    this.#stopListening = control.onChange(() => this.#abortCancelled())
  }

  enter(attempt: GatedAttempt, envelope: Envelope): Passing | Promise<Passing> {
    const stale = this.#control.fresh()
    if (stale !== undefined) return stale.then(() => this.#judge(attempt, envelope))
    return this.#judge(attempt, envelope)
  }

  leave(attempt: GatedAttempt): void {
    this.#running.delete(attempt)
  }

  close(): void {
    this.#stopListening()
  }

  #judge(attempt: GatedAttempt, envelope: Envelope): Passing | Promise<Passing> {
    const found = this.#control.board.find(envelope)
    if (found?.certain === true) return cancelled(envelope, found)
    if (found !== undefined) return this.#ask(attempt, envelope, found)
    this.#running.set(attempt, envelope)
    return undefined
  }

  async #ask(attempt: GatedAttempt, envelope: Envelope, found: Found): Promise<Passing> {
    const confirmed = await this.#control.confirms(found)
    // Run, a task that is cancelled could not be taken back; dropped, one that was sent anew would be lost.
    if (confirmed === undefined) return { kind: 'postponed', due: Date.now() + UNKNOWN_MS }
    if (confirmed) return cancelled(envelope, found)
    this.#running.set(attempt, envelope)
    return undefined
  }

  #abortCancelled(): void {
    for (const [attempt, envelope] of this.#running) {
      const found = this.#control.board.find(envelope)
      if (found?.certain === true) attempt.abort(new CancelledError(envelope.id, found.by))
      else if (found !== undefined) void this.#abortConfirmed(attempt, envelope, found)
    }
  }

  async #abortConfirmed(attempt: GatedAttempt, envelope: Envelope, found: Found): Promise<void> {
    const confirmed = await this.#control.confirms(found)
    if (confirmed === true && this.#running.has(attempt)) attempt.abort(new CancelledError(envelope.id, found.by))
  }
}

const cancelled = ({ id }: Envelope, { by }: Found): Passing => ({
  kind: 'cancelled',
  error: new CancelledError(id, by),
})
