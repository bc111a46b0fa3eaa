/**
 * Writes results, keeps the last of them in memory, and writes them again where a failover lost them.
 *
 * What a primary acknowledged last, its replica may not have when it takes the primary's place; and a server whose machine
 * lost its power has not written the last second to its disk. The messages of these results are acknowledged, so nobody
 * would run their tasks again. So as soon as another server, or the same one started anew, answers under the store's
 * address, the last final results are written to it once more, which changes nothing where they are (`script.ts`).
 */
import Denque from 'denque'
import { isFinal, statusOf } from '../wire/resultFormat.js'
import type { Access } from './access.js'
import type { Asking } from './asking.js'
import type { Availability } from './availability.js'
import type { ResultWrite } from './script.js'
import { STORE_CHARACTERS, STORE_COUNT, sizeOf } from './storing.js'

/** How long what was stored is kept, and how much of it: a failover ends within some ten seconds. */
const KEPT_MS = 30_000
const KEPT_CHARACTERS = 4_000_000

interface Kept {
  readonly at: number
  readonly writes: readonly ResultWrite[]
  readonly answers: readonly number[]
  readonly characters: number
}

/** How long the server may take to say which it is. */
const SERVER_MS = 2_000

export interface ResultWriterParts {
  readonly access: Access
  readonly availability: Pick<Availability, 'stores' | 'refused'>
  readonly asking: Asking
  /** How long the store keeps a result. */
  readonly ttlMs: number
}

export class ResultWriter {
  readonly #parts: ResultWriterParts
  readonly #kept = new Denque<Kept>()
  #characters = 0
  #server: string | undefined
  #restoring = Promise.resolve(0)

  constructor(parts: ResultWriterParts) {
    this.#parts = parts
  }

  /** Resolves with the script's answer for each. Throws `StoreRefusesError`, `StoreUnreachableError`. */
  async write(writes: readonly ResultWrite[]): Promise<readonly number[]> {
    const { access, availability, asking, ttlMs } = this.#parts
    try {
      const answers = await access.write(writes, ttlMs)
      availability.stores()
      this.#keep(writes, answers)
      return answers
    } catch (error) {
      availability.refused(error)
      throw asking.failure(error)
    }
  }

  #keep(writes: readonly ResultWrite[], answers: readonly number[]): void {
    const at = performance.now()
    const characters = writes.reduce((sum, write) => sum + sizeOf(write), 0)
    this.#kept.push({ at, writes, answers, characters })
    this.#characters += characters
    for (let first = this.#kept.peekFront(); first !== undefined; first = this.#kept.peekFront()) {
      if (at - first.at <= KEPT_MS && this.#characters <= KEPT_CHARACTERS) return
      this.#kept.shift()
      this.#characters -= first.characters
    }
  }

  /**
   * To be called whenever the store is available (again). Resolves with how many results were missing there; never rejects.
   * One at a time: where the server changes during one, the next one writes what that one wrote to the wrong server.
   */
  restore(): Promise<number> {
    this.#restoring = this.#restoring.then(() => this.#restore())
    return this.#restoring
  }

  async #restore(): Promise<number> {
    const { access, availability, asking, ttlMs } = this.#parts
    const server = await asking.within(SERVER_MS, () => access.server()).catch(() => undefined)
    // Where it cannot be told, it may be another.
    if (server !== undefined && server === this.#server) return 0
    let missing = 0
    try {
      for (const writes of this.#batches()) {
        const answers = await access.write(writes, ttlMs)
        missing += answers.filter((answer) => answer === 1).length
      }
      this.#server = server
    } catch (error) {
      // What is still missing is written when the store is available the next time.
      availability.refused(error)
    }
    return missing
  }

  /** Final results that were stored and have not expired, oldest first, in as many calls of the script as its limits ask for. */
  #batches(): ResultWrite[][] {
    const oldest = performance.now() - this.#parts.ttlMs
    const batches: ResultWrite[][] = []
    let characters = Number.POSITIVE_INFINITY
    for (const { at, writes, answers } of this.#kept.toArray()) {
      if (at < oldest) continue
      for (const [index, write] of writes.entries()) {
        if (answers[index] !== 1 || !isEnd(write.encoded)) continue
        characters += sizeOf(write)
        if (characters > STORE_CHARACTERS || batches.at(-1)?.length === STORE_COUNT) {
          batches.push([])
          characters = sizeOf(write)
        }
        batches.at(-1)?.push(write)
      }
    }
    return batches
  }
}

const isEnd = (encoded: string): boolean => {
  const status = statusOf(encoded)
  return status !== undefined && isFinal(status)
}
