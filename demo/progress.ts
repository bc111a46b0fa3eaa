/** Shows the progress of long work on a stream: a bar that redraws itself on a terminal, otherwise an occasional plain line. */

export interface ProgressStream {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

export interface ProgressCounts {
  readonly label: string
  readonly done: number
  /** Undefined if the total is unknown; there is no bar then. */
  readonly total: number | undefined
  /** Further facts, shown after the numbers. */
  readonly note?: string
}

export interface ProgressOptions {
  /** The shortest time between two drawings on a terminal, in milliseconds. */
  readonly redrawMs?: number
  /** The shortest time between two plain lines, in milliseconds. */
  readonly lineMs?: number
  readonly now?: () => number
}

export class Progress {
  readonly #stream: ProgressStream
  readonly #redrawMs: number
  readonly #lineMs: number
  readonly #now: () => number
  #last: number
  #drawn = false
  #line = ''

  constructor(stream: ProgressStream, { redrawMs = 100, lineMs = 5_000, now = Date.now }: ProgressOptions = {}) {
    this.#stream = stream
    this.#redrawMs = redrawMs
    this.#lineMs = lineMs
    this.#now = now
    // A terminal shows the first state at once; a log waits until some time has passed.
    this.#last = stream.isTTY === true ? Number.NEGATIVE_INFINITY : now()
  }

  /** Shows `counts` unless it is too early for that. Cheap to call for every task. */
  update(counts: ProgressCounts): void {
    const now = this.#now()
    if (now - this.#last < (this.#stream.isTTY === true ? this.#redrawMs : this.#lineMs)) return
    // Some terminals report 0 columns.
    const line = this.#stream.isTTY === true ? bar(counts, this.#stream.columns || 80) : plainLine(counts)
    this.#last = now
    if (line === this.#line) return
    this.#line = line
    this.#stream.write(this.#stream.isTTY === true ? `\r\x1b[2K${line}` : `${line}\n`)
    this.#drawn = true
  }

  /** Removes the bar from a terminal, so that something else can be written. */
  clear(): void {
    if (this.#stream.isTTY === true && this.#drawn) this.#stream.write('\r\x1b[2K')
    this.#drawn = false
    this.#line = ''
  }
}

const number = (value: number): string => value.toLocaleString('en-US')

export function plainLine({ label, done, total, note }: ProgressCounts): string {
  return `${label}: ${number(done)}${total === undefined ? '' : ` of ${number(total)}`}${note ? `, ${note}` : ''}`
}

/** One line of at most `columns` - 1 characters, as `Results ▕████▌     ▏ 45 % 450 of 1,000, 3 failed`. */
export function bar(counts: ProgressCounts, columns: number): string {
  const { label, done, total } = counts
  const width = Math.max(1, columns - 1)
  if (total === undefined) return plainLine(counts).slice(0, width)
  const share = total === 0 ? 1 : Math.min(1, done / total)
  const facts = `${String(Math.floor(share * 100)).padStart(3)} % ${plainLine(counts).slice(label.length + 2)}`
  const room = Math.min(40, width - label.length - facts.length - 4)
  if (room < 5) return `${label} ${facts}`.slice(0, width)
  const filled = Math.floor(share * room)
  return `${label} ▕${'█'.repeat(filled)}${' '.repeat(room - filled)}▏ ${facts}`
}
