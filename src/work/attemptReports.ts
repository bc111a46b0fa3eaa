/** What a worker tells about its attempts: events and spans, made only when somebody listens. */
import { StoreRefusesError, StoreUnreachableError } from '../errors/index.js'
import type { WorkerEvents } from '../observe/events.js'
import { AttemptTrace, type TracedAttempt } from '../observe/messagingSpans.js'
import type { Outcome } from '../task/outcome.js'
import type { Clock } from '../time/clock.js'
import { dueAt } from '../time/due.js'
import type { DeadLetterReason } from '../wire/deadLetterReason.js'
import type { Attempt } from './attempt.js'
import type { Delivery } from './delivery.js'
import type { GatedAttempt } from './gate.js'
import type { Limited } from './limitGate.js'
import type { PacksOptions } from './packs.js'
import type { Settled } from './settled.js'
import { queuedAt } from './speaker.js'

type Tell = <Event extends keyof WorkerEvents>(event: Event, ...values: WorkerEvents[Event]) => void

/** Sees attempts themselves, while it is set. */
export interface AttemptObserver {
  started(attempt: Attempt): void
  finished(attempt: Attempt, outcome: Outcome): void
  settled(attempt: Attempt, outcome: Outcome, settled: Settled): void
}

export class AttemptReports {
  observer: AttemptObserver | undefined
  /** How many attempts have ended, by the task of their queue. */
  readonly ended = new Map<string, number>()
  readonly #tell: Tell
  readonly #listens: (event: keyof WorkerEvents) => boolean
  readonly #clock: Clock

  constructor(tell: Tell, listens: (event: keyof WorkerEvents) => boolean, clock: Clock) {
    this.#tell = tell
    this.#listens = listens
    this.#clock = clock
  }

  // An event that nobody hears would cost as much as a short task itself.

  started(attempt: Attempt): void {
    attempt.trace = AttemptTrace.begin(() => tracedAs(attempt))
    this.observer?.started(attempt)
    if (!this.#listens('attemptStarted')) return
    const { redelivered } = attempt.delivery
    const waitedMs = waited(attempt, this.#clock.now())
    this.#tell('attemptStarted', { ...refOf(attempt), redelivered, ...(waitedMs === undefined ? {} : { waitedMs }) })
  }

  finished(attempt: Attempt, outcome: Outcome): void {
    const { task } = attempt.delivery.queue
    if (outcome.kind !== 'held') this.ended.set(task, (this.ended.get(task) ?? 0) + 1)
    attempt.trace?.ran(outcome.kind, attempt.durationMs, 'error' in outcome ? outcome.error : undefined)
    this.observer?.finished(attempt, outcome)
    if (!this.#listens('attemptFinished')) return
    const error = 'error' in outcome ? { error: outcome.error } : {}
    const { durationMs } = attempt
    this.#tell('attemptFinished', { ...refOf(attempt), outcome: outcome.kind, durationMs, ...error })
  }

  settled(attempt: Attempt, outcome: Outcome, settled: Settled, settleMs: number): void {
    attempt.trace?.settled(settled, settleMs)
    this.observer?.settled(attempt, outcome, settled)
    if (!this.#listens('attemptSettled')) return
    this.#tell('attemptSettled', { ...refOf(attempt), outcome: outcome.kind, settled, settleMs })
  }

  deadLettered(attempt: Attempt, exchange: string, reason: DeadLetterReason, error: unknown): void {
    this.#tell('deadLettered', { ...refOf(attempt), exchange, reason, error })
  }

  settleDelayed(attempt: Attempt, waitingFor: 'store' | 'broker', error: unknown): void {
    this.#tell('settleDelayed', { ...refOf(attempt), waitingFor, error })
  }

  limited(attempt: GatedAttempt, { by, action, key, waitMs }: Limited): void {
    if (!this.#listens('limited')) return
    const more = { ...(key === undefined ? {} : { key }), ...(waitMs === undefined ? {} : { waitMs }) }
    this.#tell('limited', { ...refOf(attempt), by, action, ...more })
  }

  /** What is told of packs. One that is to be taken apart may wait for the store or the broker. */
  ofPacks(): Pick<PacksOptions, 'onPack' | 'onDelayed'> {
    return {
      onPack: (event) => this.#tell('pack', event),
      onDelayed: ({ message, queue }, error) => {
        const refused = error instanceof StoreUnreachableError || error instanceof StoreRefusesError
        const id: unknown = message.properties.messageId
        const ref = { id: typeof id === 'string' ? id : '?', task: queue.task, queue: queue.name, number: 1 }
        this.#tell('settleDelayed', { ...ref, waitingFor: refused ? 'store' : 'broker', error })
      },
    }
  }

  /** A delivery that is not due could not be postponed. */
  postponed({ id, envelope, queue }: Delivery, error: unknown): void {
    const number = (envelope?.retries ?? 0) + 1
    const ref = { id: id ?? '?', task: envelope?.task ?? queue.task, queue: queue.name, number }
    this.#tell('settleDelayed', { ...ref, waitingFor: 'broker', error })
  }
}

const refOf = (attempt: GatedAttempt): { id: string; task: string; queue: string; number: number } => ({
  ...{
    id: attempt.id,
    task: attempt.delivery.envelope?.task ?? attempt.delivery.queue.task,
    queue: attempt.queue,
    number: attempt.number,
  },
})

/** How long it could have been run and was not. */
function waited({ delivery: { envelope, message, redelivered, failed } }: Attempt, now: number): number | undefined {
  if (envelope === undefined || redelivered || failed > 0) return undefined
  const from = Math.max(queuedAt(envelope) ?? 0, dueAt(envelope.eta, message.properties.headers))
  return from === 0 ? undefined : Math.max(0, Math.round(now - from))
}

function tracedAs({ id, number, delivery: { queue, message, redelivered } }: Attempt): TracedAttempt {
  const { headers } = message.properties
  return { id, number, queue: queue.name, task: queue.task, headers, bodyBytes: message.content.length, redelivered }
}
