/** What a process adds to the history: the notes of results that are stored together, and now and then that it is trimmed. */
import { textOf } from '../errors/index.js'
import { encodeNotes, type HistoryNote } from '../wire/historyEntry.js'
import { historyKey, unsuccessfulKey } from '../wire/names.js'
import type { StoreConnection } from './connection.js'
import type { HistorySettings } from './historyOptions.js'
import { noteScript } from './historyScripts.js'
import type { Noted, ResultWrite } from './script.js'
import { THIS_PROCESS } from './thisProcess.js'

/** How often its expiry is renewed and it is trimmed, at most, where few results come. */
const RENEW_MS = 30_000

export class Remembering {
  readonly #all: Stream
  readonly #unsuccessful: Stream

  constructor(vhost: string, settings: HistorySettings) {
    this.#all = new Stream(historyKey(vhost), settings)
    this.#unsuccessful = new Stream(unsuccessfulKey(vhost), settings)
  }

  /** What is to be added for results that are stored together. */
  of(writes: readonly ResultWrite[]): Noted[] {
    const notes = writes.map(({ note }) => note)
    const others = notes.map((note) => (note?.state === 'SUCCESS' ? undefined : note))
    return [...this.#all.noted(notes), ...this.#unsuccessful.noted(others)]
  }

  /** Tries what adding to it needs, and changes nothing. Rejects with what the store says to that. */
  async probe(commands: StoreConnection): Promise<void> {
    const trimming = commands.xtrim(this.#all.key, 'MINID', '~', 0).catch((error: unknown) => {
      // What is no stream is replaced.
      if (!textOf(error).includes('WRONGTYPE')) throw error
    })
    await Promise.all([trimming, commands.time()])
  }

  /** Adds to it what was stored by other means: of each result what the store's script answered. Never rejects. */
  async note(commands: StoreConnection, writes: readonly ResultWrite[], answers: readonly number[]): Promise<void> {
    if (answers.every((answer) => answer === 0)) return
    const missing = answers.flatMap((answer, index) => (answer === 1 ? [] : [answer === 2 ? -index - 1 : index + 1]))
    const noting = this.of(writes).map(({ key, given }) => noteScript(commands, key, missing.join(','), ...given))
    await Promise.allSettled(noting)
  }
}

class Stream {
  readonly key: string
  readonly #settings: HistorySettings
  #renewedAt = Number.NEGATIVE_INFINITY

  constructor(key: string, settings: HistorySettings) {
    this.key = key
    this.#settings = settings
  }

  /** Nothing where nothing is noted. */
  noted(notes: readonly (HistoryNote | undefined)[]): Noted[] {
    const count = notes.reduce((sum, note) => (note === undefined ? sum : sum + 1), 0)
    if (count === 0) return []
    const { maxEntries, keepMs } = this.#settings
    const now = performance.now()
    const renew = now - this.#renewedAt >= Math.min(RENEW_MS, keepMs / 4)
    if (renew) this.#renewedAt = now
    const { states, names, entries, errors } = encodeNotes(notes, Date.now(), THIS_PROCESS)
    return [{ key: this.key, given: [count, maxEntries, keepMs, renew ? 1 : 0, states, names, entries, errors] }]
  }
}
