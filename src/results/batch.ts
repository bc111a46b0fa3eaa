/**
 * What is asked for in one turn of the event loop, done together. Messages come from the broker many at a time, so their
 * tasks end many at a time, and one round trip for all of them costs little more than one for each. What is asked for while
 * an answer is awaited may wait for that answer, and goes together then: so a batch grows with the load, and nothing waits
 * for a clock (decision 0037).
 */
export interface BatchLimits<Item> {
  /** The most that are done together. */
  readonly count: number
  /** The same, by size: one that is larger goes alone. */
  readonly size?: { readonly of: (item: Item) => number; readonly max: number }
  /** Left out: nothing waits for the answer of what was asked for before. */
  readonly hold?: Hold
}

export interface Hold {
  /** So long at most, in milliseconds: one answer that does not come must not hold up the rest. */
  readonly ms: number
  /** And not once so many wait. */
  readonly count: number
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
  /** It goes at the end of this turn of the event loop. */
  #going = false
  #held: NodeJS.Timeout | undefined
  /** How many answers are awaited. */
  #inFlight = 0

  /** `act` gives an answer for each item, in their order. When it fails, it has failed for each. */
  constructor(act: (items: readonly Item[]) => Promise<readonly Answer[]>, limits: BatchLimits<Item>) {
    this.#act = act
    this.#limits = limits
  }

  /** `urgent`: not to be held. */
  add(item: Item, urgent = false): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      if (this.#going) return
      if (!urgent && this.#mayHold()) {
        this.#held ??= setTimeout(() => this.#flush(), this.#limits.hold?.ms)
        return
      }
      this.#go()
    })
  }

  #mayHold(): boolean {
    const { hold } = this.#limits
    return hold !== undefined && this.#inFlight > 0 && this.#waiting.length < hold.count
  }

  #go(): void {
    this.#going = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    clearTimeout(this.#held)
    this.#held = undefined
    this.#going = false
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
    if (batch.length > 0) void this.#do(batch)
  }

  async #do(batch: readonly Waiting<Item, Answer>[]): Promise<void> {
    this.#inFlight++
    try {
      const answers = await this.#act(batch.map(({ item }) => item))
      batch.forEach(({ resolve }, index) => {
        resolve(answers[index] as Answer)
      })
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
    this.#inFlight--
    if (this.#held !== undefined && this.#inFlight === 0 && !this.#going) this.#go()
  }
}
