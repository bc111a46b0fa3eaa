/** Attempts that wait for the store or the broker, and so hold no place; with why, where somebody has to act. */
import {
  AccessRefusedError,
  DeadLetterExchangeMissingError,
  DelaysMissingError,
  UnroutableError,
} from '../errors/index.js'
import type { Attempt } from './attempt.js'

export class Stuck {
  readonly #attempts = new Map<Attempt, string | undefined>()

  /** What keeps messages from being settled until somebody acts, in a sentence each. */
  get problems(): readonly string[] {
    return [...this.#attempts.values()].filter((problem) => problem !== undefined)
  }

  /** Returns whether it was not stuck before. */
  add(attempt: Attempt, error: unknown): boolean {
    const first = !this.#attempts.has(attempt)
    this.#attempts.set(attempt, needsSomebody(error) ? error.message : undefined)
    return first
  }

  /** Returns whether it was stuck. */
  remove(attempt: Attempt): boolean {
    return this.#attempts.delete(attempt)
  }
}

/** Whether a message waits until somebody changes something at the broker. */
const needsSomebody = (error: unknown): error is Error =>
  error instanceof AccessRefusedError ||
  error instanceof DeadLetterExchangeMissingError ||
  error instanceof DelaysMissingError ||
  error instanceof UnroutableError
