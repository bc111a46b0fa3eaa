/** Changes that must not overlap, one after the other. */
export class Turns {
  #last: Promise<void> = Promise.resolve()
  #count = 0

  /** Whether a change is at work or waits for its turn. */
  get busy(): boolean {
    return this.#count > 0
  }

  /** Runs `change` once all earlier ones have ended. Rejects as it does; later ones run all the same. */
  take(change: () => Promise<void>): Promise<void> {
    this.#count++
    const turn = this.#last.then(change).finally(() => {
      this.#count--
    })
    this.#last = turn.catch(() => undefined)
    return turn
  }
}
