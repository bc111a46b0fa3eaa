/**
 * Those who wait for results. They end by an announcement, by a look into the store, by their time limit or signal, or
 * when the store is closed; limit and signal hold from the first moment, whether the store answers or not.
 *
 * Announcements are not kept by the store, so they are a hint: each wait looks once when the subscription stands, and all
 * that still wait are looked at again in batches, which also finds the results of workers that know nothing of reply
 * channels (Celery's).
 */
import { MessageError, ResultTimeoutError, ResultUnreadableError } from '../errors/index.js'
import { onAbort, startTimer } from '../timers.js'
import { decodeResult, isFinal, type StoredResult, statusOf } from '../wire/resultFormat.js'

export interface WaitOptions {
  /** How long to wait, in milliseconds; `Infinity` for ever. Default: for ever. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What waiting needs of the store. */
export interface WaitedStore {
  /** Why it does not answer; undefined while it does, as far as is known. */
  readonly away: string | undefined
  /** Resolves once announcements come. Called again after it failed. */
  subscribe(): Promise<unknown>
  /** The stored texts, in the order of the ids. */
  read(ids: readonly string[]): Promise<readonly (string | null)[]>
}

interface Waiter {
  readonly resolve: (result: StoredResult) => void
  readonly reject: (error: unknown) => void
}

/** How often results that were not announced are looked for, and how many at a time. */
const SWEEP_MS = 500
const SWEEP_COUNT = 500

export class Waiters {
  readonly #store: WaitedStore
  /** All waits for one id: usually one. In order of their last sweep, oldest first. */
  readonly #waiting = new Map<string, Waiter[]>()
  #sweeper: NodeJS.Timeout | undefined
  #sweeping = false

  constructor(store: WaitedStore) {
    this.#store = store
  }

  /** Waits for a final result. Throws `ResultTimeoutError`, `ResultUnreadableError`, or the signal's reason. */
  wait(id: string, { timeoutMs = Number.POSITIVE_INFINITY, signal }: WaitOptions): Promise<StoredResult> {
    return new Promise<StoredResult>((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason)
      const end = (act: () => void): void => {
        stopTimer()
        stopListening()
        this.#forget(id, waiter)
        act()
      }
      const waiter: Waiter = {
        resolve: (result) => end(() => resolve(result)),
        reject: (error) => end(() => reject(error)),
      }
      const stopTimer = startTimer(timeoutMs, () =>
        waiter.reject(new ResultTimeoutError(id, timeoutMs, this.#store.away)),
      )
      const stopListening = onAbort(signal, () => waiter.reject(signal?.reason))
      const others = this.#waiting.get(id)
      if (others === undefined) this.#waiting.set(id, [waiter])
      else others.push(waiter)
      this.#sweeper ??= setInterval(() => void this.#sweep(), SWEEP_MS)
      void this.#look(id)
    })
  }

  /** A result was announced. */
  heard(text: string): void {
    const result = finalResult(undefined, text)
    if (result !== undefined && !(result instanceof Error)) this.#end(result.id, result)
  }

  /** Ends all waits with an error. */
  close(error: Error): void {
    for (const id of [...this.#waiting.keys()]) this.#end(id, error)
  }

  /** It may have been announced before this wait began. While the store is away, the sweep does this later. */
  async #look(id: string): Promise<void> {
    if (this.#store.away !== undefined) return
    try {
      await this.#store.subscribe()
      const [text] = await this.#store.read([id])
      this.#seen(id, text)
    } catch {
      // The sweep looks again.
    }
  }

  #seen(id: string, text: string | null | undefined): void {
    const result = typeof text === 'string' ? finalResult(id, text) : undefined
    if (result !== undefined) this.#end(id, result)
  }

  #end(id: string, result: StoredResult | Error): void {
    for (const waiter of [...(this.#waiting.get(id) ?? [])]) {
      if (result instanceof Error) waiter.reject(result)
      else waiter.resolve(result)
    }
  }

  #forget(id: string, waiter: Waiter): void {
    const left = (this.#waiting.get(id) ?? []).filter((each) => each !== waiter)
    if (left.length > 0) this.#waiting.set(id, left)
    else this.#waiting.delete(id)
    if (this.#waiting.size === 0) {
      clearInterval(this.#sweeper)
      this.#sweeper = undefined
    }
  }

  /** Reads the results of those that waited longest since they were last read, and puts them at the end of the line. */
  async #sweep(): Promise<void> {
    // One at a time: a store that is frozen must not collect a read for each half second.
    if (this.#sweeping || this.#store.away !== undefined) return
    this.#sweeping = true
    try {
      // Its failure is no reason not to read.
      void this.#store.subscribe().catch(() => undefined)
      const ids: string[] = []
      for (const id of this.#waiting.keys()) {
        if (ids.push(id) === SWEEP_COUNT) break
      }
      for (const id of ids) {
        const waiters = this.#waiting.get(id) as Waiter[]
        this.#waiting.delete(id)
        this.#waiting.set(id, waiters)
      }
      const texts = await this.#store.read(ids)
      ids.forEach((id, index) => {
        this.#seen(id, texts[index])
      })
    } catch {
      // The next sweep looks again.
    } finally {
      this.#sweeping = false
    }
  }
}

/** What ends a wait: a final result, or that it cannot be read. Undefined for what is not final, or no result at all. */
function finalResult(id: string | undefined, text: string): StoredResult | ResultUnreadableError | undefined {
  try {
    const result = decodeResult(text)
    if (!isFinal(result.status)) return undefined
    if (id === undefined || result.id === id) return result
    // What is under the key stays there: waiting for it to become the right one would be for ever.
    return new ResultUnreadableError(id, new MessageError(`Expected the result of ${id}, got one of ${result.id}`))
  } catch (error) {
    const status = statusOf(text)
    if (id === undefined || status === undefined || !isFinal(status)) return undefined
    return new ResultUnreadableError(id, error)
  }
}
