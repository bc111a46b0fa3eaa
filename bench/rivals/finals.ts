/** Counts final results by id, for rivals whose results come as notices: each id has to have exactly one. */
export class Finals {
  readonly #open = new Set<string>()
  readonly #ended = new Set<string>()
  readonly #waiting = new Map<string, () => void>()
  #problem: string | undefined
  #settled: (() => void) | undefined

  /** Resolves with the final result of this id. Call it before the task is sent. */
  of(id: string): Promise<void> {
    this.expect(id)
    return new Promise((resolve) => this.#waiting.set(id, resolve))
  }

  expect(id: string): void {
    if (this.#open.has(id)) this.#fail(`${id} was sent twice`)
    if (!this.#ended.has(id)) this.#open.add(id)
  }

  /** A final result came. It may come before its sender knows the id. */
  ended(id: string): void {
    if (this.#ended.has(id)) this.#fail(`${id} has two final results`)
    this.#ended.add(id)
    this.#open.delete(id)
    this.#waiting.get(id)?.()
    this.#waiting.delete(id)
    this.#look()
  }

  /** Resolves when every id that is expected has its result, and none has two. */
  async all(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#settled = resolve
      this.#look()
    })
    this.#settled = undefined
    if (this.#problem !== undefined) throw new Error(this.#problem)
    this.#ended.clear()
  }

  #fail(problem: string): void {
    this.#problem ??= problem
    this.#look()
  }

  #look(): void {
    if (this.#open.size === 0 || this.#problem !== undefined) this.#settled?.()
  }
}
