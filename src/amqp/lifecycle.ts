/**
 * A named state machine with one setter. Each stateful part of Warren (a connection, a consumer, a worker) owns one;
 * every transition is one call of `to` and one callback to the owner, which emits the event.
 */
export class Lifecycle<State extends string> {
  readonly #what: string
  readonly #moves: Readonly<Record<State, readonly State[]>>
  readonly #changed: (state: State, from: State, reason: string | undefined) => void
  #state: State

  constructor(
    what: string,
    initial: State,
    moves: Readonly<Record<State, readonly State[]>>,
    changed: (state: State, from: State, reason: string | undefined) => void,
  ) {
    this.#what = what
    this.#state = initial
    this.#moves = moves
    this.#changed = changed
  }

  get state(): State {
    return this.#state
  }

  /** Whether the state is one of `states`. */
  in(...states: readonly State[]): boolean {
    return states.includes(this.#state)
  }

  /** Moves to `next`. A move that the table does not allow is a bug in the owner, so it throws. */
  to(next: State, reason?: string): void {
    const from = this.#state
    if (!this.#moves[from].includes(next)) throw new Error(`${this.#what}: no move from ${from} to ${next}`)
    this.#state = next
    this.#changed(next, from, reason)
  }
}
