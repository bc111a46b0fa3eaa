/**
 * Whether the store stores, as far as is known:
 *
 *     away ──▶ available ◀──▶ refusing ──▶ away
 *
 * `away`: it has no connection, or does not answer. `refusing`: it answers and does not store; it is probed each second
 * until it does, so that a worker with nothing to store is ready again, too.
 */
import { refusalOf } from './refusal.js'

const PROBE_MS = 1_000

export class Availability {
  readonly #probe: () => Promise<unknown>
  readonly #tell: (problem: string | undefined) => void
  #away: string | undefined = 'not connected yet'
  #awaySince = Number.NEGATIVE_INFINITY
  #refusal: string | undefined
  #prober: NodeJS.Timeout | undefined
  #probing = false
  #closed = false

  /** `probe` writes what a worker writes. `tell` is called when storing begins or ceases to be possible. */
  constructor(probe: () => Promise<unknown>, tell: (problem: string | undefined) => void) {
    this.#probe = probe
    this.#tell = tell
  }

  /** Why it does not answer; undefined while it does. */
  get away(): string | undefined {
    return this.#away
  }

  /** Since when it does not answer, in milliseconds. */
  get awayForMs(): number {
    return this.#away === undefined ? 0 : performance.now() - this.#awaySince
  }

  /** Why nothing can be stored; undefined while it can. */
  get problem(): string | undefined {
    return this.#away ?? this.#refusal
  }

  /** Its connection is gone, or silent. The client says why just before it says, without a reason, that it is closed. */
  lost(reason = this.#away ?? 'connection closed'): void {
    if (this.#away === undefined) this.#awaySince = performance.now()
    this.#change(reason, undefined)
  }

  /** It is connected. Whether it stores is found out at once: after a failover the new connection may lead to a replica. */
  answers(): void {
    this.#change(undefined, undefined)
    void this.probe()
  }

  stores(): void {
    if (this.problem !== undefined) this.#change(undefined, undefined)
  }

  /** It was asked to store and did not. Ignores an error that says nothing of the store itself: a lost connection. */
  refused(error: unknown): void {
    const refusal = refusalOf(error)
    if (refusal !== undefined) this.#change(undefined, refusal.text)
  }

  async probe(): Promise<void> {
    if (this.#probing || this.#away !== undefined) return
    this.#probing = true
    try {
      await this.#probe()
      this.stores()
    } catch (error) {
      this.refused(error)
    } finally {
      this.#probing = false
    }
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#prober)
  }

  #change(away: string | undefined, refusal: string | undefined): void {
    if (this.#closed) return
    const before = this.problem
    this.#away = away
    this.#refusal = refusal
    if (refusal !== undefined) this.#prober ??= setInterval(() => void this.probe(), PROBE_MS).unref()
    else this.#stopProbing()
    if ((before === undefined) !== (this.problem === undefined)) this.#tell(this.problem)
  }

  #stopProbing(): void {
    clearInterval(this.#prober)
    this.#prober = undefined
  }
}
