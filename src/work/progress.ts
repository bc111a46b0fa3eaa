/** What a running attempt reports: that its handler began, for tasks that want it, and its progress. */
import type { Results } from '../results/store.js'
import { THIS_PROCESS } from '../results/thisProcess.js'
import { progressEntry, startedEntry } from '../wire/eventEntry.js'
import { encodeProgressJson, encodeStarted, outputJson } from '../wire/resultFormat.js'
import { noteOf, type Speaking, speakerOf } from './speaker.js'

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
    const note = this.#results.hasHistory ? noteOf(this.#of, 'STARTED', beganAt) : undefined
    const entry = startedEntry(speaker, beganAt, THIS_PROCESS)
    this.#results
      .store({ ...speaker, replyTo: undefined }, encodeStarted({ ...speaker, ...THIS_PROCESS }), { entry, note })
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
      await this.#results.store({ ...speaker, replyTo: undefined }, encodeProgressJson(speaker, json), { entry })
    } catch (error) {
      this.#lost += lost + 1
      throw error
    }
  }
}
