/**
 * What is asked for in one turn of the event loop, done together. Messages come from the broker many at a time, so their
 * tasks end many at a time, and one round trip for all of them costs little more than one for each. Where more than a
 * certain number is asked for in a second, what is not urgent may be held for others to join it (decision 0012).
 */
export interface BatchLimits<Item> {
  /** The most that are done together. */
  readonly count: number
  /** The same, by size: one that is larger goes alone. */
  readonly size?: { readonly of: (item: Item) => number; readonly max: number }
  /** Left out: nothing is held. */
  readonly hold?: Hold
}

export interface Hold {
  /** So long at most, in milliseconds. */
  readonly ms: number
  /** And not once so many wait. */
  readonly count: number
  /** And only while more than so many a second are asked for. */
  readonly abovePerSecond: number
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
  readonly #rate = new Rate()
  /** It goes at the end of this turn of the event loop. */
  #going = false
  #held: NodeJS.Timeout | undefined

  /** `act` gives an answer for each item, in their order. When it fails, it has failed for each. */
  constructor(act: (items: readonly Item[]) => Promise<readonly Answer[]>, limits: BatchLimits<Item>) {
    this.#act = act
    this.#limits = limits
  }

  /** `urgent`: not to be held. */
  add(item: Item, urgent = false): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      this.#rate.count()
      if (this.#going) return
      if (!urgent && this.#mayHold()) {
        this.#held ??= setTimeout(() => this.#flush(), this.#limits.hold?.ms)
        return
      }
      this.#going = true
      setImmediate(() => this.#flush())
    })
  }

  #mayHold(): boolean {
    const { hold } = this.#limits
    return hold !== undefined && this.#waiting.length < hold.count && this.#rate.perSecond > hold.abovePerSecond
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

const WINDOW_MS = 100

/** How many a second there were of late: in this window of time or the one before it, whichever had more. */
class Rate {
  #windowFrom = 0
  #inWindow = 0
  #before = 0

  count(): void {
    const now = performance.now()
    if (now - this.#windowFrom >= WINDOW_MS) {
      this.#before = now - this.#windowFrom < 2 * WINDOW_MS ? this.#inWindow : 0
      this.#windowFrom = now
      this.#inWindow = 0
    }
    this.#inWindow++
  }

  get perSecond(): number {
    return (Math.max(this.#inWindow, this.#before) * 1_000) / WINDOW_MS
  }
}
