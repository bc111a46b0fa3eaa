/** What a running attempt reports: that its handler began, for tasks that want it, and its progress. */
import { hostname } from 'node:os'
import type { Results } from '../results/store.js'
import { progressEntry, startedEntry } from '../wire/eventEntry.js'
import { encodeProgressJson, encodeStarted, outputJson } from '../wire/resultFormat.js'
import { type Speaking, speakerOf } from './speaker.js'

/** Who runs handlers here. */
const PROCESS = { hostname: hostname(), pid: process.pid }

export class Progress {
  readonly #results: Results
  readonly #of: Speaking
  #reported = 0
  /** How many reports the store does not have. */
  #lost = 0

  constructor(results: Results, of: Speaking) {
    this.#results = results
    this.#of = of
  }

  /** The handler begins. Not waited for: whatever is stored later comes after it. */
  began(): void {
    const { beganAt } = this.#of
    if (beganAt === undefined || !this.#results.available) return
    const speaker = speakerOf(this.#of)
    const entry = startedEntry(speaker, beganAt, PROCESS)
    this.#results
      .store({ ...speaker, replyTo: undefined }, encodeStarted({ ...speaker, ...PROCESS }), false, entry)
      // It is no more than a word on the way: the attempt's end waits for the store.
      .catch(() => undefined)
  }

  /** Stores progress; one that comes while the store is away is only counted. Throws `OutputError`, `StoreRefusesError`. */
  async report(value: unknown): Promise<void> {
    const speaker = speakerOf(this.#of)
    const json = outputJson(speaker.task, value)
    if (!this.#results.available) {
      this.#lost++
      return
    }
    const lost = this.#lost
    this.#lost = 0
    const entry = progressEntry(speaker, Date.now(), { seq: ++this.#reported, lost }, json)
    try {
      await this.#results.store({ ...speaker, replyTo: undefined }, encodeProgressJson(speaker, json), false, entry)
    } catch (error) {
      this.#lost += lost + 1
      throw error
    }
  }
}
