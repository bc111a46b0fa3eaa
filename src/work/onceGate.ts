/**
 * Of the messages marked with `x-warren-once`, of which several copies may be under way, one is run at a time: a copy
 * that comes while another one is run is postponed, and found done later. Where the store cannot be asked, it is run.
 */
import { type OnceClaim, OnceClaims } from '../control/onceClaims.js'
import type { Results } from '../results/store.js'
import type { Clock } from '../time/clock.js'
import { copyIdentity } from '../wire/once.js'
import type { Duplicates } from './duplicates.js'
import type { Gate, GatedAttempt } from './gate.js'

export function onceGate(results: Results, duplicates: Duplicates, clock: Clock): Gate {
  const claims = new OnceClaims(results)
  const held = new WeakMap<GatedAttempt, OnceClaim>()
  return {
    enter(attempt, { id }) {
      const identity = copyIdentity(attempt.delivery.message)
      if (identity === undefined || !results.available) return undefined
      const { queue, delivery } = attempt
      const enter = async () => {
        const claim = await claims.take({ queue, id, redelivered: delivery.redelivered }, identity)
        if (typeof claim === 'number') return { kind: 'postponed' as const, due: clock.now() + claim }
        // While the other one was run, this one may have been asked about.
        const done = await duplicates.isDoneNow(delivery)
        if (done) claim.release()
        else held.set(attempt, claim)
        return done ? { kind: 'alreadyDone' as const } : undefined
      }
      return enter().catch(() => undefined)
    },
    leave(attempt) {
      held.get(attempt)?.release()
    },
  }
}
