/**
 * The places of concurrency limits that this worker's attempts hold. Each has a lease in the store, renewed while its
 * handler runs. A place that is lost to another one, since this process stood still for longer than the lease, aborts its
 * attempt.
 */
import { fenceOf, type LimitKeys, type LimitOwner, type Places as PlaceCount } from '../control/limitKeys.js'
import { startTimer } from '../timers.js'
import type { GatedAttempt } from './gate.js'

export interface HeldPlace {
  readonly fence: number
  /**
   * Frees it, once the handler has ended: one that does not heed its signal still works on what the place protects. It
   * keeps the place for a lease at most. Never throws.
   */
  leave(attempt: Pick<GatedAttempt, 'whenHandled'>): void
}

export class Places {
  readonly #keys: LimitKeys
  readonly #startTimer: typeof startTimer
  /** What ends the renewing of each. */
  readonly #renewing = new Set<() => void>()

  constructor(keys: LimitKeys, timer: typeof startTimer = startTimer) {
    this.#keys = keys
    this.#startTimer = timer
  }

  /** `takenAt`: when it was asked for, by `performance.now()`. */
  hold(owner: LimitOwner, place: string, count: PlaceCount, takenAt: number, onLost: () => void): HeldPlace {
    const keys = this.#keys
    let renewedAt = takenAt
    let cancel = (): void => undefined
    const end = (): void => {
      cancel()
      this.#renewing.delete(end)
    }
    const renew = async (): Promise<void> => {
      again()
      const askedAt = performance.now()
      // Without an answer the lease goes on for as long as it did, and the next try follows.
      const kept = await keys.renew(owner, place, count, askedAt - renewedAt).catch(() => undefined)
      if (kept === true) renewedAt = askedAt
      if (kept !== false || !this.#renewing.has(end)) return
      end()
      onLost()
    }
    const again = (): void => {
      cancel = this.#startTimer(count.leaseMs / 3, () => void renew())
    }
    this.#renewing.add(end)
    again()
    return {
      fence: fenceOf(place),
      leave: (attempt) => {
        end()
        attempt.whenHandled(() => void keys.leave(owner, place, true).catch(() => undefined))
      },
    }
  }

  close(): void {
    for (const end of [...this.#renewing]) end()
  }
}
