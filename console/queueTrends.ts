/** What each queue's figures were over the last twenty minutes. Bounded: the oldest go, and those of queues that are gone. */
import { type QueueView, queueKey } from './queueViews.js'

/** Seconds since 1970, then ready, held, published and delivered; null where nothing is known. */
export type QueueRow = readonly [at: number, ...values: (number | null)[]]

export const QUEUE_SERIES = ['ready', 'unacknowledged', 'published', 'delivered'] as const

const STEP_MS = 10_000
const MAX_ROWS = 120

export class QueueTrends {
  readonly #rows = new Map<string, QueueRow[]>()
  #lastAt = Number.NEGATIVE_INFINITY

  look(at: number, queues: readonly QueueView[]): void {
    if (at - this.#lastAt < STEP_MS - 250) return
    this.#lastAt = at
    const there = new Set(queues.map(queueKey))
    for (const key of this.#rows.keys()) if (!there.has(key)) this.#rows.delete(key)
    for (const queue of queues) {
      const rows = this.#rows.get(queueKey(queue)) ?? []
      rows.push([Math.round(at / 1_000), ...QUEUE_SERIES.map((name) => rounded(queue[name]))])
      if (rows.length > MAX_ROWS) rows.shift()
      this.#rows.set(queueKey(queue), rows)
    }
  }

  rows(queue: Pick<QueueView, 'vhost' | 'name'>): readonly QueueRow[] {
    return this.#rows.get(queueKey(queue)) ?? []
  }

  /** How many waited, oldest first: for a line of the size of a word. */
  waiting(queue: Pick<QueueView, 'vhost' | 'name'>, most: number): (number | null)[] {
    return this.rows(queue)
      .slice(-most)
      .map(([, ready]) => ready ?? null)
  }
}

const rounded = (value: number | undefined): number | null => (value === undefined ? null : Math.round(value * 10) / 10)
