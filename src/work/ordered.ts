/**
 * Queues whose messages keep their order: one message at a time, and the next only once the one before it has ended. So
 * what would wait elsewhere, where others would overtake it, waits here, and all behind it with it.
 */
import { jittered } from '../amqp/backoff.js'
import type { Outcome } from '../task/outcome.js'
import type { Clock } from '../time/clock.js'
import { startTimer } from '../timers.js'
import type { Attempt } from './attempt.js'
import type { Settler } from './settler.js'

interface Surroundings {
  readonly clock: Clock
  readonly settler: Settler
  /** Where time is not this machine's. */
  readonly startTimer?: typeof startTimer | undefined
}

/** Until when the message of an attempt stays with the worker; undefined where it is to be settled. */
export function staysHere(
  attempt: Attempt,
  outcome: Outcome,
  { clock, settler, startTimer: start = startTimer }: Surroundings,
): { readonly until: Promise<unknown> } | undefined {
  const { delivery } = attempt
  const pause = (ms: number): Promise<void> => new Promise((resolve) => void start(ms, resolve))
  if (outcome.kind === 'held') return outcome
  if (delivery.queue.ordered !== true || !delivery.held) return undefined
  if (outcome.kind === 'postponed') return { until: pause(Math.max(0, outcome.due - clock.now())) }
  if (outcome.kind !== 'retried') return undefined
  const delayMs = Math.round(jittered(outcome.delayMs, 0, outcome.delayMs))
  settler.retriedHere(attempt, { error: outcome.error, delayMs })
  delivery.failed++
  return { until: pause(delayMs) }
}
