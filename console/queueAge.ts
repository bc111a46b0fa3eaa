/**
 * How old a queue's oldest message is. Where RabbitMQ tells its timestamp, that is it. Elsewhere it is reckoned: queues
 * are first in, first out, so with N messages waiting the oldest was the Nth last that was published, and when that was
 * is known from the counts of the last minutes. Redeliveries and retries make it a little wrong. Bounded memory.
 */
import { type QueueView, queueKey } from './queueViews.js'

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

  /** The age of each queue's oldest message, by virtual host and name; none where nothing waits or nothing is known. */
  look(at: number, queues: readonly QueueView[]): Record<string, Age> {
    const keys = new Set(queues.map(queueKey))
    for (const key of this.#points.keys()) if (!keys.has(key)) this.#points.delete(key)
    const ages: Record<string, Age> = {}
    for (const queue of queues) {
      const age = this.#age(at, queue)
      if (age !== undefined) ages[queueKey(queue)] = age
    }
    return ages
  }

  #age(at: number, queue: QueueView): Age | undefined {
    const { ready, oldestAt, publishedTotal } = queue
    const points = this.#points.get(queueKey(queue)) ?? []
    if (publishedTotal !== undefined) {
      // Counts begin anew when a queue is declared anew or its node forgot its statistics.
      if ((points.at(-1)?.published ?? 0) > publishedTotal) points.length = 0
      points.push({ at, published: publishedTotal })
      if (points.length > MAX_POINTS) points.shift()
      this.#points.set(queueKey(queue), points)
    }
    if (ready === undefined || ready === 0) return undefined
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
