/**
 * An async iterator over a source that is asked for one item after the other. It ends once: with the last item, by
 * `return()` (`break` in a loop), by its signal, by its time limit, or by its owner; at that moment the source is closed,
 * whether an item is being waited for or not. A generator would first wait for that item.
 */
import { onAbort, startTimer } from '../timers.js'

export interface Source<T> {
  /** The next item, or undefined after the last. Called again only when it has answered. Must heed `signal`. */
  pull(signal: AbortSignal): Promise<T | undefined>
  /** Called once. */
  close(): void
}

export interface PulledOptions {
  /** How long in all, from the first item asked for, in milliseconds. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** The error for the time limit. */
  readonly late?: ((timeoutMs: number) => Error) | undefined
}

export class Pulled<T> implements AsyncIterableIterator<T, undefined>, AsyncDisposable {
  readonly #source: Source<T>
  readonly #options: PulledOptions
  readonly #closing = new AbortController()
  #turn: Promise<unknown> = Promise.resolve()
  #begun = false
  #over = false
  #failure: { readonly reason: unknown } | undefined
  #stopTimer = (): void => undefined
  #stopListening = (): void => undefined

  constructor(source: Source<T>, options: PulledOptions = {}) {
    this.#source = source
    this.#options = options
  }

  next(): Promise<IteratorResult<T, undefined>> {
    this.#begin()
    const step = this.#turn.then(() => this.#step())
    this.#turn = step.catch(() => undefined)
    return step
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.end()
    this.#failure = undefined
    return Promise.resolve({ done: true, value: undefined })
  }

  /** Ends it, with an error for whoever asks next. Whoever asks already gets it. */
  end(failure?: { readonly reason: unknown }): void {
    if (this.#over) return
    this.#over = true
    this.#failure = failure
    this.#stopTimer()
    this.#stopListening()
    this.#source.close()
    this.#closing.abort()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #begin(): void {
    if (this.#begun || this.#over) return
    this.#begun = true
    const { timeoutMs = Number.POSITIVE_INFINITY, signal, late } = this.#options
    if (signal?.aborted === true) {
      this.end({ reason: signal.reason })
      return
    }
    this.#stopListening = onAbort(signal, () => this.end({ reason: signal?.reason }))
    if (late !== undefined) this.#stopTimer = startTimer(timeoutMs, () => this.end({ reason: late(timeoutMs) }))
  }

  async #step(): Promise<IteratorResult<T, undefined>> {
    if (this.#over) return this.#ended()
    const { signal } = this.#closing
    let forget = (): void => undefined
    const closing = new Promise<undefined>((resolve) => {
      forget = onAbort(signal, () => resolve(undefined))
    })
    try {
      const value = await Promise.race([this.#source.pull(signal), closing])
      if (value !== undefined && !this.#over) return { done: false, value }
    } catch (error) {
      // What it says once it was closed is only the echo of that.
      if (!this.#over) this.end({ reason: error })
    } finally {
      forget()
    }
    this.end()
    return this.#ended()
  }

  /** The error is told once: then there is nothing more. */
  #ended(): IteratorResult<T, undefined> {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.reason
    return { done: true, value: undefined }
  }
}
