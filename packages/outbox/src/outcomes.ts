/**
 * Holds the outcomes of rows until they are in the database: confirmed, to be retried, or set aside. All outcomes that arrive
 * during one statement go into the next. While the database is unreachable they are kept and retried until `close()`.
 */
import { rowsOf, type Sql } from './client.js'
import type { Statements } from './schema.js'
import { pause } from './timing.js'

export interface OutcomesOptions {
  readonly statements: Statements
  readonly db: Sql
  /** The owner of the claims. */
  readonly owner: string
  /** The outcomes of this many rows are in the database. */
  readonly written: (count: number) => void
  readonly failed: (error: unknown) => void
}

type Postponement = readonly [position: string, delayMs: number, refusals: number, problem: string]
type Aside = readonly [position: string, code: string, reason: string]

const RETRY_MS = 200
const RETRY_MAX_MS = 5_000
/** PostgreSQL's text cannot contain it. */
const NUL = /\0/g

export class Outcomes {
  readonly #options: OutcomesOptions
  readonly #closed = new AbortController()
  readonly #confirmed: string[] = []
  readonly #postponed: Postponement[] = []
  readonly #aside: Aside[] = []
  #removed = 0
  #failures = 0
  #writing = false

  constructor(options: OutcomesOptions) {
    this.#options = options
  }

  /** How many were confirmed and are deleted. */
  get removed(): number {
    return this.#removed
  }

  /** Whether the last statement failed. */
  get failing(): boolean {
    return this.#failures > 0
  }

  remove(position: string): void {
    this.#confirmed.push(position)
    this.#writeSoon()
  }

  postpone(position: string, delayMs: number, refusals: number, problem: string): void {
    this.#postponed.push([position, delayMs, refusals, problem.replace(NUL, '')])
    this.#writeSoon()
  }

  setAside(position: string, code: string, reason: string): void {
    this.#aside.push([position, code, reason.replace(NUL, '')])
    this.#writeSoon()
  }

  /** Stops retrying. */
  close(): void {
    this.#closed.abort()
  }

  #writeSoon(): void {
    if (this.#writing) return
    this.#writing = true
    // After all that one answer of the broker confirmed.
    setImmediate(() => void this.#write())
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    const { statements, db, owner } = this.#options
    while (this.#confirmed.length + this.#postponed.length + this.#aside.length > 0 && !this.#closed.signal.aborted) {
      try {
        await this.#all(this.#confirmed, async (positions) => {
          await rowsOf(db, statements.remove, [`{${positions.join(',')}}`])
          this.#removed += positions.length
        })
        await this.#all(this.#postponed, async (rows) => {
          await rowsOf(db, statements.postpone, [owner, JSON.stringify(rows)])
        })
        await this.#all(this.#aside, async (rows) => {
          await rowsOf(db, statements.setAside, [owner, JSON.stringify(rows)])
        })
        this.#failures = 0
      } catch (error) {
        this.#options.failed(error)
        await pause(Math.min(RETRY_MS * 2 ** this.#failures++, RETRY_MAX_MS), this.#closed.signal)
      }
    }
    this.#writing = false
  }

  /** Takes out of `list` what `write` has written; what comes meanwhile stays. */
  async #all<T>(list: T[], write: (items: readonly T[]) => Promise<void>): Promise<void> {
    const items = [...list]
    if (items.length === 0) return
    await write(items)
    list.splice(0, items.length)
    this.#options.written(items.length)
  }
}
