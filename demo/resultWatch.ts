/**
 * Watches for the results of any number of tasks in bounded memory.
 *
 * At most `windowSize` results are awaited at once, oldest first; the ids behind them wait in line. Tasks end nearly in the
 * order of their sending, so the window moves along with the workers. If nothing in the window moves while others wait (their
 * messages may have expired), its ids go to the end of the line and the next ones enter. The store keeps results, so a result
 * that arrived unwatched is found in its next turn.
 *
 * Promises: every id is counted once, as `succeeded`, `failed` or `unanswered`, or is still `open`.
 */
import { setMaxListeners } from 'node:events'
import { IdLine, type LineEntry } from './idLine.js'

export interface ResultWatchOptions {
  /** Waits for one task's result until the signal: `warren.handle(task, id).result({ signal })`. */
  readonly result: (id: string, signal: AbortSignal) => Promise<unknown>
  readonly windowSize?: number
  /** Count a result as unanswered when it has not come this long after `add`. Default: never. */
  readonly giveUpMs?: number
  /** How many may be open; the oldest beyond it count as unanswered. Default: no limit. */
  readonly maxOpen?: number
  /** How long nothing may move before the window moves on to the next in line. */
  readonly turnAfterMs?: number
  /** Called after each change of the counts. */
  readonly onChange?: () => void
  /** Called with the error of each result that is not a success. */
  readonly onError?: (error: unknown) => void
}

export class ResultWatch {
  readonly #result: ResultWatchOptions['result']
  readonly #windowSize: number
  readonly #giveUpMs: number
  readonly #maxOpen: number
  readonly #turnAfterMs: number
  readonly #onChange: () => void
  readonly #onError: (error: unknown) => void
  readonly #line = new IdLine()
  readonly #window = new Set<LineEntry>()
  /** One signal for the whole window. Adding a listener walks all of them, which keeps the window small. */
  #turn = newTurn()
  #timer: NodeJS.Timeout | undefined
  #idle: (() => void)[] = []
  #closed = false
  succeeded = 0
  failed = 0
  unanswered = 0
  /** When the last result came, in milliseconds since 1970. */
  lastResultAt = Date.now()

  constructor(options: ResultWatchOptions) {
    this.#result = options.result
    this.#windowSize = options.windowSize ?? 2_000
    this.#giveUpMs = options.giveUpMs ?? Number.POSITIVE_INFINITY
    this.#maxOpen = options.maxOpen ?? Number.POSITIVE_INFINITY
    this.#turnAfterMs = options.turnAfterMs ?? 2_000
    this.#onChange = options.onChange ?? (() => {})
    this.#onError = options.onError ?? (() => {})
  }

  /** How many results are awaited or wait in line. */
  get open(): number {
    return this.#window.size + this.#line.size
  }

  get ended(): number {
    return this.succeeded + this.failed + this.unanswered
  }

  add(id: string): void {
    if (this.#closed) return
    const entry = { id, addedAt: Date.now() }
    if (this.#window.size < this.#windowSize) this.#await(entry)
    else this.#line.push(entry)
    if (this.open > this.#maxOpen && this.#line.shift() !== undefined) this.#count('unanswered')
    this.#timer ??= setInterval(() => this.#tick(), this.#turnAfterMs)
  }

  /** Resolves once nothing is open. */
  async done(): Promise<void> {
    if (this.open > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** Stops watching; open results stay open. Safe to call twice. */
  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
    this.#turn.abort()
  }

  #await(entry: LineEntry): void {
    const { signal } = this.#turn
    this.#window.add(entry)
    this.#result(entry.id, signal).then(
      () => this.#ended(entry, signal, 'succeeded'),
      (error: unknown) => this.#ended(entry, signal, 'failed', error),
    )
  }

  #ended(entry: LineEntry, signal: AbortSignal, how: 'succeeded' | 'failed', error?: unknown): void {
    // The window has moved on, or watching has ended: this result is found and counted in its next turn.
    if (signal.aborted) return
    this.#window.delete(entry)
    this.lastResultAt = Date.now()
    if (how === 'failed') this.#onError(error)
    const next = this.#line.shift()
    if (next !== undefined) this.#await(next)
    this.#count(how)
  }

  #count(how: 'succeeded' | 'failed' | 'unanswered'): void {
    this[how]++
    this.#onChange()
    if (this.open > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
    const idle = this.#idle
    this.#idle = []
    for (const resolve of idle) resolve()
  }

  #tick(): void {
    const now = Date.now()
    const stuck = this.#line.size > 0 && now - this.lastResultAt >= this.#turnAfterMs
    const [oldest] = this.#window
    const overdue = oldest !== undefined && now - oldest.addedAt >= this.#giveUpMs
    if (stuck || overdue) this.#turnWindow(now)
  }

  #turnWindow(now: number): void {
    this.#turn.abort()
    this.#turn = newTurn()
    const turned = [...this.#window]
    this.#window.clear()
    const overdue = turned.filter(({ addedAt }) => now - addedAt >= this.#giveUpMs)
    for (const entry of turned) if (now - entry.addedAt < this.#giveUpMs) this.#line.push(entry)
    while (this.#window.size < this.#windowSize) {
      const next = this.#line.shift()
      if (next === undefined) break
      this.#await(next)
    }
    for (const _ of overdue) this.#count('unanswered')
  }
}

function newTurn(): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}
