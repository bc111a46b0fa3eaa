/**
 * The places of concurrency limits that this worker's attempts hold. Each has a lease in the store, renewed while its
 * handler runs. A place that is lost to another one, since this process stood still for longer than the lease, aborts its
 * attempt.
 */
import { fenceOf, type LimitKeys, type LimitOwner, type Places as PlaceCount } from '../control/limitKeys.js'
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
  readonly #renewing = new Set<NodeJS.Timeout>()

  constructor(keys: LimitKeys) {
    this.#keys = keys
  }

  hold(owner: LimitOwner, place: string, count: PlaceCount, onLost: () => void): HeldPlace {
    const keys = this.#keys
    const renew = (): void => {
      keys.renew(owner, place, count).then(
        (kept) => {
          if (kept) return
          end()
          onLost()
        },
        // The lease goes on for as long as it did, and the next try follows.
        () => undefined,
      )
    }
    const renewing = setInterval(renew, count.leaseMs / 3)
    this.#renewing.add(renewing)
    const end = (): void => {
      clearInterval(renewing)
      this.#renewing.delete(renewing)
    }
    return {
      fence: fenceOf(place),
      leave: (attempt) => {
        end()
        attempt.whenHandled(() => void keys.leave(owner, place, true).catch(() => undefined))
      },
    }
  }

  close(): void {
    for (const renewing of this.#renewing) clearInterval(renewing)
    this.#renewing.clear()
  }
}
