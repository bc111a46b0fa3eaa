/** What a process adds to the history: the notes of results that are stored together, and now and then that it is trimmed. */
import { textOf } from '../errors/index.js'
import { encodeNotes } from '../wire/historyEntry.js'
import type { StoreConnection } from './connection.js'
import type { HistorySettings } from './historyOptions.js'
import { noteScript } from './historyScripts.js'
import type { Noted, ResultWrite } from './script.js'
import { THIS_PROCESS } from './thisProcess.js'

/** How often its expiry is renewed and it is trimmed, at most, where few results come. */
const RENEW_MS = 30_000

export class Remembering {
  readonly #key: string
  readonly #settings: HistorySettings
  #renewedAt = Number.NEGATIVE_INFINITY

  constructor(key: string, settings: HistorySettings) {
    this.#key = key
    this.#settings = settings
  }

  /** What is to be added for results that are stored together; undefined when it is nothing. */
  of(writes: readonly ResultWrite[]): Noted | undefined {
    if (writes.every(({ note }) => note === undefined)) return undefined
    const { maxEntries, keepMs } = this.#settings
    const now = performance.now()
    const renew = now - this.#renewedAt >= Math.min(RENEW_MS, keepMs / 4)
    if (renew) this.#renewedAt = now
    const { states, names, entries, errors } = encodeNotes(
      writes.map(({ note }) => note),
      Date.now(),
      THIS_PROCESS,
    )
    return { key: this.#key, given: [maxEntries, keepMs, renew ? 1 : 0, states, names, entries, errors] }
  }

  /** Tries what adding to it needs, and changes nothing. Rejects with what the store says to that. */
  async probe(commands: StoreConnection): Promise<void> {
    const trimming = commands.xtrim(this.#key, 'MINID', '~', 0).catch((error: unknown) => {
      // What is no stream is replaced.
      if (!textOf(error).includes('WRONGTYPE')) throw error
    })
    await Promise.all([trimming, commands.time()])
  }

  /** Adds to it what was stored by other means: of each result what the store's script answered. Never rejects. */
  async note(commands: StoreConnection, writes: readonly ResultWrite[], answers: readonly number[]): Promise<void> {
    const noted = answers.some((answer) => answer !== 0) ? this.of(writes) : undefined
    if (noted === undefined) return
    const missing = answers.flatMap((answer, index) => (answer === 1 ? [] : [answer === 2 ? -index - 1 : index + 1]))
    await noteScript(commands, noted.key, writes.length, missing.join(','), ...noted.given).catch(() => undefined)
  }
}
