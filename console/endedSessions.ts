/**
 * Sessions that were signed out before their time. With a folder they are kept in a file, one `<id> <end>` a line, written
 * before the sign-out is answered; without one they live as long as the key. Bounded: beyond {@link MAX_ENDED}, and where
 * the file cannot be read, all sessions that end before a moment count as signed out, rather than one as signed in.
 */
import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

interface Ending {
  readonly id: string
  readonly endsAt: number
}

const MAX_ENDED = 10_000
const LINE = /^([\w-]{1,64}) (\d{1,16})$/
/** Stands for every session that ends by then. */
const ALL = 'all'

export class EndedSessions {
  readonly #file: string | undefined
  readonly #now: () => number
  readonly #max: number
  readonly #ends = new Map<string, number>()
  #allUntil = 0

  constructor(
    folder: string | undefined,
    { now, lifetimeMs, max = MAX_ENDED }: { now: () => number; lifetimeMs: number; max?: number },
  ) {
    this.#now = now
    this.#max = max
    if (folder === undefined) return
    this.#file = join(folder, 'signed-out')
    try {
      this.#load(readFileSync(this.#file, 'utf8'), lifetimeMs)
      this.#forgetEnded()
      this.#writeWhole()
    } catch (error) {
      // None yet is no trouble. One that cannot be read may hold any session.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#allUntil = now() + lifetimeMs
    }
  }

  has({ id, endsAt }: Ending): boolean {
    return endsAt <= this.#allUntil || this.#ends.has(id)
  }

  /** Throws when it cannot be written; it counts as signed out all the same, until a restart. */
  add({ id, endsAt }: Ending): void {
    this.#ends.set(id, endsAt)
    if (this.#ends.size > this.#max) {
      this.#forgetEnded()
      this.#forgetEarliest()
      this.#writeWhole()
    } else if (this.#file !== undefined) {
      mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 })
      appendFileSync(this.#file, `${id} ${endsAt}\n`, { mode: 0o600, flush: true })
    }
  }

  #load(text: string, lifetimeMs: number): void {
    for (const line of text.split('\n')) {
      if (line === '') continue
      const [, id = '', end] = LINE.exec(line) ?? []
      if (end === undefined) this.#allUntil = this.#now() + lifetimeMs
      else if (id === ALL) this.#allUntil = Math.max(this.#allUntil, Number(end))
      else this.#ends.set(id, Number(end))
    }
  }

  #forgetEnded(): void {
    const now = this.#now()
    for (const [id, endsAt] of this.#ends) if (endsAt <= now) this.#ends.delete(id)
  }

  /** Half of them, so that this is done seldom. */
  #forgetEarliest(): void {
    if (this.#ends.size <= this.#max) return
    const inOrder = [...this.#ends].sort(([, a], [, b]) => a - b)
    for (const [id, endsAt] of inOrder.slice(0, this.#max / 2)) {
      this.#ends.delete(id)
      this.#allUntil = Math.max(this.#allUntil, endsAt)
    }
  }

  #writeWhole(): void {
    if (this.#file === undefined) return
    const lines = [...this.#ends, ...(this.#allUntil > 0 ? [[ALL, this.#allUntil] as const] : [])]
    const draft = `${this.#file}.${process.pid}`
    writeFileSync(draft, lines.map(([id, endsAt]) => `${id} ${endsAt}\n`).join(''), { mode: 0o600, flush: true })
    renameSync(draft, this.#file)
  }
}
