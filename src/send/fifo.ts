/** First in, first out, with no cost for what has left: an array's `shift` moves all that stays. */
export class Fifo<T> implements Iterable<T> {
  #items: T[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  shift(): T | undefined {
    const item = this.#items[this.#head]
    if (item === undefined) return undefined
    this.#head++
    if (this.#head === this.#items.length) this.#replace([])
    else if (this.#head > COMPACT_AFTER) this.#replace(this.#items.slice(this.#head))
    return item
  }

  /** Puts `items` before all others, in their order. */
  unshift(items: readonly T[]): void {
    this.#replace([...items, ...this])
  }

  /** Drops all that `keep` is false of. */
  filter(keep: (item: T) => boolean): void {
    this.#replace([...this].filter(keep))
  }

  /** Gives all, and is empty. */
  take(): T[] {
    const all = [...this]
    this.#replace([])
    return all
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (let index = this.#head; index < this.#items.length; index++) yield this.#items[index] as T
  }

  #replace(items: T[]): void {
    this.#items = items
    this.#head = 0
  }
}

/** How many that have left are kept in the array before the rest is moved. */
const COMPACT_AFTER = 10_000
