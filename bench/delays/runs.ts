/** Which tasks ran, how often, and how late, in bounded memory: a bit for each, and one count for each millisecond. */

export interface Report {
  readonly runs: number
  /** Runs of a task that had run before in the same worker. */
  readonly again: number
  /** Runs before the task was due, and the earliest of them in milliseconds. */
  readonly early: number
  readonly earliestMs: number
  readonly latestMs: number
  /** `[milliseconds late, how many]`. */
  readonly late: readonly (readonly [number, number])[]
  /** A bit for each number that has run, in base64. */
  readonly numbers: string
}

/** Anything later counts as this late; the latest is kept besides. */
const LATEST_COUNTED_MS = 600_000

export class Runs {
  #numbers = new Uint8Array(1 << 12)
  readonly #late = new Uint32Array(LATEST_COUNTED_MS + 1)
  #runs = 0
  #again = 0
  #early = 0
  #earliestMs = 0
  #latestMs = 0

  /** How many have run. */
  get count(): number {
    return this.#runs
  }

  ran(number: number, lateMs: number): void {
    this.#runs++
    const byte = number >> 3
    const bit = 1 << (number & 7)
    if (byte >= this.#numbers.length) this.#grow(byte)
    if (((this.#numbers[byte] as number) & bit) !== 0) this.#again++
    this.#numbers[byte] = (this.#numbers[byte] as number) | bit
    if (lateMs < 0) {
      this.#early++
      this.#earliestMs = Math.max(this.#earliestMs, -lateMs)
    }
    this.#latestMs = Math.max(this.#latestMs, lateMs)
    const counted = Math.min(Math.max(0, Math.floor(lateMs)), LATEST_COUNTED_MS)
    this.#late[counted] = (this.#late[counted] as number) + 1
  }

  report(): Report {
    const late: (readonly [number, number])[] = []
    this.#late.forEach((count, ms) => {
      if (count > 0) late.push([ms, count])
    })
    return {
      runs: this.#runs,
      again: this.#again,
      early: this.#early,
      earliestMs: this.#earliestMs,
      latestMs: this.#latestMs,
      late,
      numbers: Buffer.from(this.#numbers).toString('base64'),
    }
  }

  #grow(byte: number): void {
    const grown = new Uint8Array(2 ** Math.ceil(Math.log2(byte + 1)))
    grown.set(this.#numbers)
    this.#numbers = grown
  }
}

/** What several workers ran, together. */
export interface Whole {
  readonly runs: number
  /** Numbers below `count` that nobody ran. */
  readonly lost: number
  /** Runs beyond the first of each. */
  readonly doubled: number
  readonly early: number
  readonly earliestMs: number
  readonly latestMs: number
  /** The lateness that a share of the runs keeps to, in milliseconds. */
  quantile(share: number): number
}

export function together(reports: readonly Report[], count: number): Whole {
  const numbers = reports.map((each) => Buffer.from(each.numbers, 'base64'))
  let different = 0
  for (let n = 0; n < count; n++) {
    if (numbers.some((each) => (((each[n >> 3] ?? 0) >> (n & 7)) & 1) === 1)) different++
  }
  const late = new Map<number, number>()
  for (const [ms, times] of reports.flatMap((each) => each.late)) late.set(ms, (late.get(ms) ?? 0) + times)
  const sorted = [...late].sort(([a], [b]) => a - b)
  const runs = reports.reduce((sum, each) => sum + each.runs, 0)
  const most = (of: (report: Report) => number): number => Math.max(0, ...reports.map(of))
  return {
    runs,
    lost: count - different,
    doubled: runs - different,
    early: reports.reduce((sum, { early }) => sum + early, 0),
    earliestMs: most(({ earliestMs }) => earliestMs),
    latestMs: most(({ latestMs }) => latestMs),
    quantile(share) {
      let left = Math.ceil(runs * share)
      for (const [ms, times] of sorted) {
        left -= times
        if (left <= 0) return ms
      }
      return sorted.at(-1)?.[0] ?? Number.NaN
    },
  }
}
