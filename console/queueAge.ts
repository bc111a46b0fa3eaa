/**
 * How old a queue's oldest message is. Where RabbitMQ tells its timestamp, that is it. Elsewhere it is reckoned: queues
 * are first in, first out, so with N messages waiting the oldest was the Nth last that was published, and when that was
 * is known from the counts of the last minutes. Redeliveries and retries make it a little wrong. Bounded memory.
 */
import type { QueueView } from './queueViews.js'

export interface Age {
  readonly ms: number
  /** `exact`: by the message's own timestamp, in whole seconds; `reckoned`; `atLeast`: older than what is known. */
  readonly how: 'exact' | 'reckoned' | 'atLeast'
}

const MAX_POINTS = 600

interface Point {
  readonly at: number
  readonly published: number
}

export class QueueAges {
  readonly #points = new Map<string, Point[]>()

  /** The age of each queue's oldest message, by the queue's name; none for empty queues. */
  look(at: number, queues: readonly QueueView[]): Record<string, Age> {
    const names = new Set(queues.map(({ name }) => name))
    for (const name of this.#points.keys()) if (!names.has(name)) this.#points.delete(name)
    const ages: Record<string, Age> = {}
    for (const queue of queues) {
      const age = this.#age(at, queue)
      if (age !== undefined) ages[queue.name] = age
    }
    return ages
  }

  #age(at: number, { name, ready, oldestAt, publishedTotal }: QueueView): Age | undefined {
    const points = this.#points.get(name) ?? []
    if (publishedTotal !== undefined) {
      // Counts begin anew when a queue is declared anew or its node forgot its statistics.
      if ((points.at(-1)?.published ?? 0) > publishedTotal) points.length = 0
      points.push({ at, published: publishedTotal })
      if (points.length > MAX_POINTS) points.shift()
      this.#points.set(name, points)
    }
    if (ready === 0) return undefined
    if (oldestAt !== undefined) return { ms: Math.max(0, at - oldestAt), how: 'exact' }
    const newest = points.at(-1)
    const [first] = points
    if (newest === undefined || first === undefined) return undefined
    const wanted = newest.published - ready
    if (first.published > wanted) return { ms: at - first.at, how: 'atLeast' }
    const then = points.find(({ published }) => published > wanted) ?? newest
    return { ms: at - then.at, how: 'reckoned' }
  }
}
