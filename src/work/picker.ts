/**
 * Which of the deliveries that are ready runs next, where some are of a high or low priority: of ten, six high, three of the
 * middle and one low, as long as there are some of each. So nothing waits for ever.
 */
import type { Delivery } from './delivery.js'

type Class = 'high' | 'normal' | 'low'

const WEIGHTS: Readonly<Record<Class, number>> = { high: 6, normal: 3, low: 1 }

export class Picker {
  readonly #credits: Record<Class, number> = { high: 0, normal: 0, low: 0 }

  /** Takes the next one out of `ready`, which has some, oldest first. */
  take(ready: Delivery[]): Delivery | undefined {
    const first = new Map<Class, number>()
    for (let at = 0; at < ready.length && first.size < 3; at++) {
      const each = classOf(ready[at] as Delivery)
      if (!first.has(each)) first.set(each, at)
    }
    let chosen: Class | undefined
    let total = 0
    for (const each of first.keys()) {
      this.#credits[each] += WEIGHTS[each]
      total += WEIGHTS[each]
      if (chosen === undefined || this.#credits[each] > this.#credits[chosen]) chosen = each
    }
    if (chosen === undefined) return undefined
    this.#credits[chosen] -= total
    return ready.splice(first.get(chosen) as number, 1)[0]
  }
}

const classOf = ({ queue }: Delivery): Class => queue.priority ?? 'normal'
