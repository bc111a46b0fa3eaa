/**
 * What is asked for in one turn of the event loop, done together. Messages come from the broker many at a time, so their
 * tasks end many at a time, and one round trip for all of them costs little more than one for each.
 */
export interface BatchLimits<Item> {
  /** The most that are done together. */
  readonly count: number
  /** The same, by size: one that is larger goes alone. */
  readonly size?: { readonly of: (item: Item) => number; readonly max: number }
}

interface Waiting<Item, Answer> {
  readonly item: Item
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

export class Batch<Item, Answer> {
  readonly #act: (items: readonly Item[]) => Promise<readonly Answer[]>
  readonly #limits: BatchLimits<Item>
  #waiting: Waiting<Item, Answer>[] = []

  /** `act` gives an answer for each item, in their order. When it fails, it has failed for each. */
  constructor(act: (items: readonly Item[]) => Promise<readonly Answer[]>, limits: BatchLimits<Item>) {
    this.#act = act
    this.#limits = limits
  }

  add(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ item, resolve, reject }) === 1) setImmediate(() => this.#flush())
    })
  }

  #flush(): void {
    const { count, size } = this.#limits
    let batch: Waiting<Item, Answer>[] = []
    let sum = 0
    for (const waiting of this.#waiting.splice(0)) {
      const own = size?.of(waiting.item) ?? 0
      if (batch.length === count || (batch.length > 0 && size !== undefined && sum + own > size.max)) {
        void this.#do(batch)
        batch = []
        sum = 0
      }
      batch.push(waiting)
      sum += own
    }
    void this.#do(batch)
  }

  async #do(batch: readonly Waiting<Item, Answer>[]): Promise<void> {
    try {
      const answers = await this.#act(batch.map(({ item }) => item))
      batch.forEach(({ resolve }, index) => {
        resolve(answers[index] as Answer)
      })
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }
}
