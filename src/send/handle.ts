/** What `send` gives: the way to a task's result. */

import { outputOf, type Results } from '../results/store.js'
import type { StoredResult } from '../wire/resultFormat.js'

export interface ResultOptions {
  /** How long to wait, in milliseconds. Default: for ever. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export class Handle<Output> {
  readonly task: string
  readonly id: string
  readonly #results: () => Results

  constructor(task: string, id: string, results: () => Results) {
    this.task = task
    this.id = id
    this.#results = results
  }

  /**
   * Waits for the task's end and gives what its handler returned. Waiting for many costs one subscription in all.
   * Throws `TaskFailedError`, `ResultTimeoutError`, `NoResultStoreError`, or the signal's reason.
   */
  async result(options: ResultOptions = {}): Promise<Output> {
    // The store holds what the handler returned, checked against the task's output schema before it was stored.
    return outputOf(await this.#results().wait(this.id, options)) as Output
  }

  /** What the store holds now: undefined while no attempt has ended (Celery's PENDING), and after the result's TTL. */
  async state(): Promise<StoredResult | undefined> {
    return this.#results().get(this.id)
  }
}
