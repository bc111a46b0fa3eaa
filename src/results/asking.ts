/** Asking the store something, with a limit and an error that says what is wrong with the store. */
import { withDeadline } from '../amqp/deadline.js'
import { ClosedError, StoreRefusesError, StoreUnreachableError } from '../errors/index.js'
import type { Availability } from './availability.js'
import { refusalOf } from './refusal.js'

export class Asking {
  readonly #address: string
  readonly #availability: Pick<Availability, 'away' | 'awayForMs'>
  #closed = false

  constructor(address: string, availability: Pick<Availability, 'away' | 'awayForMs'>) {
    this.#address = address
    this.#availability = availability
  }

  /** Asks, and throws unless the answer comes within `ms`; at once when the store has been away for as long. */
  async within<T>(ms: number, ask: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new ClosedError('The result store')
    if (this.#availability.awayForMs >= ms) throw this.failure(this.#away)
    try {
      return await withDeadline(ask(), ms, 'its answer')
    } catch (error) {
      throw this.failure(this.#away ?? error)
    }
  }

  /** `StoreRefusesError` where the store answered, else `StoreUnreachableError`. */
  failure(error: unknown): Error {
    const refusal = refusalOf(error)
    if (refusal !== undefined) return new StoreRefusesError(this.#address, refusal, error)
    return new StoreUnreachableError(this.#address, error)
  }

  /** Nothing is asked any more. */
  close(): void {
    this.#closed = true
  }

  get #away(): Error | undefined {
    const { away } = this.#availability
    return away === undefined ? undefined : new Error(away)
  }
}
