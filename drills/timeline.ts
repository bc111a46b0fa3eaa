/**
 * What happened when, during one drill: every confirm and every finished task by queue, the marks (fault, repair) and
 * the events in words. Times are milliseconds since 1970; a drill lasts minutes at a few hundred messages a second, so
 * keeping each instant is cheap.
 */
export type QueueKey = 'user' | 'payment'
export const QUEUE_KEYS = ['user', 'payment'] as const

/** `sent` is counted when a send begins, `confirmed` on the broker's confirm, `finished` when a worker's handler is done. */
export type Flow = 'sent' | 'confirmed' | 'finished'

/**
 * - `fault`, `repair`: what the drill did
 * - `seen`: what Warren or the cluster said by itself
 * - `phase`: where the drill is
 */
export type MarkKind = 'fault' | 'repair' | 'seen' | 'phase'

export interface Mark {
  readonly at: number
  readonly kind: MarkKind
  readonly text: string
}

/** Rates a second, by bucket of `bucketMs`, from `from` on. */
export interface Chart {
  readonly from: number
  readonly to: number
  readonly bucketMs: number
  readonly confirmed: Readonly<Record<QueueKey, readonly number[]>>
  readonly finished: Readonly<Record<QueueKey, readonly number[]>>
}

const BUCKET_MS = 250
const MAX_BUCKETS = 600

/** A drill that floods the screen with events helps nobody; what is beyond is counted. */
const MAX_MARKS = 300
/** Over which time a rate is taken. */
const RATE_WINDOW_MS = 1_000
/** Which part of the stated rate counts as normal. */
const NORMAL_SHARE = 0.8
const STEP_MS = 100

export class Timeline {
  readonly startedAt: number
  readonly marks: Mark[] = []
  /** Marks that there was no room for. */
  dropped = 0
  readonly #flows: Record<Flow, Record<QueueKey, number[]>> = {
    sent: { user: [], payment: [] },
    confirmed: { user: [], payment: [] },
    finished: { user: [], payment: [] },
  }
  readonly #listener: (mark: Mark) => void

  constructor(startedAt: number, listener: (mark: Mark) => void = () => {}) {
    this.startedAt = startedAt
    this.#listener = listener
  }

  count(flow: Flow, queue: QueueKey, at: number): void {
    const instants = this.#flows[flow][queue]
    // Workers' lines come in batches by process: nearly in order, so the place is near the end.
    let index = instants.length
    while (index > 0 && (instants[index - 1] as number) > at) index--
    instants.splice(index, 0, at)
  }

  mark(kind: MarkKind, text: string, at = Date.now()): void {
    const mark = { at, kind, text }
    if (this.marks.length >= MAX_MARKS && kind === 'seen') this.dropped++
    else this.marks.push(mark)
    this.#listener(mark)
  }

  /** In order. */
  instants(flow: Flow, queue: QueueKey): readonly number[] {
    return this.#flows[flow][queue]
  }

  /** The longest time in [from, to] without one, both ends included. */
  longestPause(flow: Flow, queue: QueueKey, from: number, to: number): { readonly ms: number; readonly at: number } {
    let longest = { ms: 0, at: from }
    let last = from
    const look = (at: number) => {
      if (at - last > longest.ms) longest = { ms: at - last, at: last }
      last = at
    }
    for (const at of this.instants(flow, queue)) if (at > from && at < to) look(at)
    look(to)
    return longest
  }

  /** How many a second in the second that ends at `at`. */
  rate(flow: Flow, queue: QueueKey, at: number): number {
    const instants = this.#flows[flow][queue]
    const count = firstAfter(instants, at) - firstAfter(instants, at - RATE_WINDOW_MS)
    return (count * 1000) / RATE_WINDOW_MS
  }

  /** Whether confirms and finishes on the queues ran at the stated rate in the second that ends at `at`; what is short. */
  short(ratePerQueue: number, at: number, queues: readonly QueueKey[] = QUEUE_KEYS): string | undefined {
    for (const queue of queues) {
      for (const flow of ['confirmed', 'finished'] as const) {
        const rate = this.rate(flow, queue, at)
        if (rate < ratePerQueue * NORMAL_SHARE) {
          return `${queue} queue: ${Math.round(rate)} ${flow} a second instead of ${ratePerQueue}`
        }
      }
    }
    return undefined
  }

  /**
   * How long after `since` the rates on all queues became normal and stayed so for two seconds, as the start of those.
   * Undefined: not until `until`.
   */
  recoveredAfter(ratePerQueue: number, since: number, until: number, queues?: readonly QueueKey[]): number | undefined {
    let normalFrom: number | undefined
    for (let at = since + RATE_WINDOW_MS; at <= until; at += STEP_MS) {
      if (this.short(ratePerQueue, at, queues) === undefined) normalFrom ??= at
      else normalFrom = undefined
      if (normalFrom !== undefined && at - normalFrom >= RATE_WINDOW_MS) return normalFrom - RATE_WINDOW_MS - since
    }
    return undefined
  }

  /** Rates by quarter of a second, for drawing. */
  chart(from: number, to: number): Chart {
    const bucketMs = Math.max(BUCKET_MS, Math.ceil((to - from) / MAX_BUCKETS))
    const rates = (flow: Flow, queue: QueueKey): number[] => {
      const counts = new Array<number>(Math.max(1, Math.ceil((to - from) / bucketMs))).fill(0)
      for (const at of this.#flows[flow][queue]) {
        const index = Math.floor((at - from) / bucketMs)
        if (index >= 0 && index < counts.length) counts[index] = (counts[index] ?? 0) + 1
      }
      return counts.map((count) => (count * 1000) / bucketMs)
    }
    const both = (flow: Flow) => ({ user: rates(flow, 'user'), payment: rates(flow, 'payment') })
    return { from, to, bucketMs, confirmed: both('confirmed'), finished: both('finished') }
  }
}

/** Index of the first instant after `at`. */
function firstAfter(instants: readonly number[], at: number): number {
  let low = 0
  let high = instants.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((instants[middle] as number) > at) high = middle
    else low = middle + 1
  }
  return low
}
