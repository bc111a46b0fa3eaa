/**
 * Settling: what Warren does about an outcome. Nothing is acknowledged before what must outlive it is safe: the result
 * in the store, the retry or the dead letter confirmed by the broker.
 *
 * While one of them is away the message is held and the step is tried again. Only what trying again can fix is tried
 * again; the rest has a named way out: a copy that cannot be encoded sheds its sender's headers, and a retry that still
 * cannot be published is dead-lettered.
 */
import { setMaxListeners } from 'node:events'
import { jittered } from '../amqp/backoff.js'
import { describeThrown } from '../errors/error.js'
import { CancelledError, ClosedError, MessageError, UnroutableError } from '../errors/index.js'
import { isThenable } from '../observe/contained.js'
import type { Stored } from '../results/script.js'
import type { Results } from '../results/store.js'
import { THIS_PROCESS } from '../results/thisProcess.js'
import type { Producer } from '../send/producer.js'
import type { Outcome } from '../task/outcome.js'
import type { Clock } from '../time/clock.js'
import { type DelayRoutes, HOLD_MS } from '../time/delayRoutes.js'
import { pause } from '../timers.js'
import { copyOf, originOf, slimCopyOf } from '../wire/copy.js'
import type { DeadLetterReason } from '../wire/deadLetterReason.js'
import { queueKey } from '../wire/delayedKey.js'
import { retryEntry } from '../wire/eventEntry.js'
import type { HistoryState } from '../wire/historyEntry.js'
import { celeryHeaders, headers } from '../wire/names.js'
import {
  encodeCancelled,
  encodeFailure,
  encodeRetry,
  encodeRevoked,
  revokedError,
  type StoredError,
} from '../wire/resultFormat.js'
import type { Attempt } from './attempt.js'
import type { CanvasMembers } from './canvasMembers.js'
import type { DeadLettering } from './deadLettering.js'
import type { Delivery } from './delivery.js'
import { type FlowMembers, isFlowMember } from './flowMembers.js'
import type { Settled } from './settled.js'
import { noteOf, speakerOf } from './speaker.js'

/** What became of a message. The outcome is another one where the task was cancelled while it ended. */
interface Settling {
  readonly outcome: Outcome
  readonly settled: Settled
}

export interface SettlerOptions {
  readonly producer: Producer
  readonly delays: DelayRoutes
  readonly clock: Clock
  readonly deadLettering: DeadLettering
  readonly results: Results | undefined
  /** Members of flows, where there is a store. */
  readonly flows?: FlowMembers | undefined
  /** What Celery's canvas lets follow. */
  readonly canvas?: CanvasMembers | undefined
  readonly confirmTimeoutMs: number
  /** Awaited before a delivery is acknowledged. */
  readonly beforeAck: (delivery: Delivery) => Promise<unknown> | undefined
  /** The step waits for the store or the broker. Called for each try that failed. */
  readonly onDelayed: (attempt: Attempt, waitingFor: 'store' | 'broker', error: unknown) => void
  readonly onDeadLettered: (attempt: Attempt, exchange: string, reason: DeadLetterReason, error: unknown) => void
}

const RETRY_INITIAL_MS = 200
const RETRY_MAX_MS = 5_000

export class Settler {
  readonly #options: SettlerOptions
  readonly #closing = new AbortController()

  constructor(options: SettlerOptions) {
    this.#options = options
    // One for each message that waits.
    setMaxListeners(0, this.#closing.signal)
  }

  /** Ends all waiting: what is not settled by now goes back to its queue. */
  close(): void {
    this.#closing.abort()
  }

  /** Carries an outcome out. Never throws: what cannot be finished goes back to the queue. */
  async settle(attempt: Attempt, outcome: Outcome): Promise<Settling> {
    let stored: unknown
    try {
      const carryingOut = this.#carryOut(attempt, outcome)
      if (isThenable(carryingOut)) stored = await carryingOut
      const { delivery } = attempt
      if (isFlowMember(delivery)) await this.#settleMember(this.#options.flows, attempt, outcome, stored)
      if (delivery.envelope?.canvas !== undefined) {
        await this.#settleMember(this.#options.canvas, attempt, outcome, stored)
      }
    } catch {
      // Only what is lost or cannot be waited for gets here: the delivery is gone, or its worker stops.
      return { outcome, settled: this.#giveBack(attempt) }
    }
    if (outcome.kind === 'returned') return { outcome, settled: this.#giveBack(attempt, outcome.counted) }
    const waiting = this.#options.beforeAck(attempt.delivery)
    if (waiting !== undefined) await waiting
    const settled = attempt.delivery.ack() ? 'acknowledged' : 'lost'
    if (outcome.kind !== 'succeeded' || stored !== 'cancelled') return { outcome, settled }
    return { outcome: { kind: 'cancelled', error: new CancelledError(attempt.id, 'while it ended') }, settled }
  }

  #carryOut(attempt: Attempt, outcome: Outcome): Promise<unknown> | undefined {
    switch (outcome.kind) {
      case 'succeeded':
        // Stored even if the delivery was lost meanwhile: the work is done, and whoever gets the message next sees it.
        return this.#store(attempt, outcome.result, 'SUCCESS')
      case 'retried':
        return this.#retry(attempt, outcome)
      case 'deadLettered':
        return this.#deadLetter(attempt, outcome.reason, outcome.error)
      case 'cancelled':
        return this.#store(attempt, ...cancelled(attempt))
      case 'replaced':
        return this.#store(attempt, ...revoked(attempt, `replaced by ${outcome.by}`))
      case 'limited':
        return this.#store(attempt, ...revoked(attempt, outcome.reason))
      case 'postponed':
        return this.#persist(attempt, 'broker', () => {
          attempt.delivery.throwIfLost()
          return this.#publishDelayed(attempt.delivery, outcome.due, {
            ...originHeaders(attempt.delivery),
            ...outcome.added,
          })
        })
      case 'alreadyDone':
      case 'held':
      case 'returned':
        return undefined
      default:
        outcome satisfies never
        return undefined
    }
  }

  /**
   * Publishes a copy that comes back to its queue when it is due, and acknowledges. Rejects when that cannot be done
   * now; the delivery is held then.
   */
  async postpone(delivery: Delivery, due: number): Promise<void> {
    await this.#publishDelayed(delivery, due, originHeaders(delivery))
    delivery.ack()
  }

  /** What waits for this member, before its message is acknowledged. */
  async #settleMember(
    members: FlowMembers | CanvasMembers | undefined,
    attempt: Attempt,
    outcome: Outcome,
    stored: unknown,
  ): Promise<void> {
    const cancelled = outcome.kind === 'succeeded' && stored === 'cancelled'
    if (members === undefined || !attempt.delivery.held) return
    await this.#persist(attempt, 'store', () => members.settle(attempt.delivery, outcome, cancelled))
  }

  #giveBack({ delivery }: Attempt, counted?: true): Settled {
    return delivery.giveBack(new ClosedError('The attempt'), counted) ? 'returned' : 'lost'
  }

  /** `state`: what the history notes of it; undefined where it has been noted before. */
  #store(
    attempt: Attempt,
    encoded: string,
    state: HistoryState | undefined,
    error?: StoredError,
  ): Promise<Stored> | undefined {
    const { results, onDelayed } = this.#options
    const { id, envelope, urgent } = attempt.delivery
    if (results === undefined || id === undefined || envelope?.ignoreResult === true) return undefined
    if (!results.available)
      onDelayed(attempt, 'store', new Error(results.problem ?? `no answer from ${results.address}`))
    const speaker = { id, attempt: attempt.number, run: envelope?.run ?? 0, replyTo: envelope?.replyTo }
    const note = state !== undefined && results.hasHistory ? noteOf(attempt, state, Date.now(), error) : undefined
    return this.#persist(attempt, 'store', () => results.store(speaker, encoded, { urgent, note }))
  }

  /** The next attempt is one of the same delivery. */
  retriedHere(attempt: Attempt, { error, delayMs }: { error: unknown; delayMs: number }): void {
    const described = this.#noteRetry(attempt, error, delayMs)
    void this.#store(attempt, encodeRetry({ ...speakerOf(attempt), error: described }), undefined)?.catch(
      () => undefined,
    )
  }

  /** Before the next attempt may speak. */
  #noteRetry(attempt: Attempt, error: unknown, delayMs: number): StoredError {
    const described = describeThrown(error)
    const { results } = this.#options
    if (results !== undefined && attempt.delivery.envelope?.ignoreResult === false) {
      const speaker = speakerOf(attempt)
      const now = Date.now()
      const entry = retryEntry(speaker, now, { error: described, delayMs, ...THIS_PROCESS })
      const note = results.hasHistory ? noteOf(attempt, 'RETRY', now, described, delayMs) : undefined
      void results.append(speaker, { entry, note })
    }
    return described
  }

  async #retry(attempt: Attempt, { error, delayMs }: { error: unknown; delayMs: number }): Promise<void> {
    const added = { [celeryHeaders.retries]: attempt.number, ...originHeaders(attempt.delivery) }
    const waitMs = Math.round(jittered(delayMs, 0, delayMs))
    const due = this.#options.clock.now() + waitMs
    const described = this.#noteRetry(attempt, error, waitMs)
    try {
      await this.#persist(attempt, 'broker', () => {
        attempt.delivery.throwIfLost()
        return this.#publishDelayed(attempt.delivery, due, added)
      })
    } catch (problem) {
      if (!(problem instanceof MessageError)) throw problem
      return this.#deadLetter(attempt, 'failed', error)
    }
    await this.#store(attempt, encodeRetry({ ...speakerOf(attempt), error: described }), undefined)
  }

  /** A short delay is the worker's own: the message goes straight back to its queue, and whoever gets it holds it. */
  async #publishDelayed(delivery: Delivery, due: number, added: Readonly<Record<string, unknown>>): Promise<void> {
    const { delays, clock, producer, confirmTimeoutMs } = this.#options
    const { message, queue } = delivery
    const leftMs = due - clock.now()
    const direct = leftMs < HOLD_MS
    const way = direct ? undefined : await delays.through(leftMs, queueKey(queue.name))
    const { exchange, routingKey } = way ?? { exchange: '', routingKey: queue.name }
    const id = delivery.id ?? '?'
    const all = { ...added, [headers.due]: due, ...way?.headers }
    const publish = (copy: ReturnType<typeof copyOf>): Promise<void> =>
      producer.publish({ id, exchange, routingKey, message: copy, confirmTimeoutMs })
    try {
      await publish(copyOf(message, id, all)).catch((problem: unknown) => {
        if (!(problem instanceof MessageError)) throw problem
        return publish(slimCopyOf(message, id, all))
      })
    } catch (problem) {
      // Somebody deleted a level.
      if (!direct && problem instanceof UnroutableError) delays.forget()
      throw problem
    }
  }

  async #deadLetter(attempt: Attempt, reason: DeadLetterReason, error: unknown): Promise<void> {
    const { deadLettering, onDeadLettered } = this.#options
    const exchange = deadLettering.exchangeOf(attempt.delivery)
    await this.#persist(attempt, 'broker', () => {
      attempt.delivery.throwIfLost()
      return deadLettering.publish(attempt.delivery, { reason, error, attempts: attempt.number })
    })
    onDeadLettered(attempt, exchange, reason, error)
    await this.#store(attempt, ...deadLetterResult(attempt, reason, error))
  }

  /** Tries `act` until it succeeds, or nobody can wait for it any more: then it throws. */
  async #persist<T>(attempt: Attempt, waitingFor: 'store' | 'broker', act: () => Promise<T>): Promise<T> {
    for (let failures = 0; ; failures++) {
      try {
        return await act()
      } catch (error) {
        const hopeless = error instanceof MessageError || !attempt.delivery.held || this.#closing.signal.aborted
        if (hopeless) throw error
        this.#options.onDelayed(attempt, waitingFor, error)
        if (!(await pause(jittered(RETRY_INITIAL_MS, failures, RETRY_MAX_MS), this.#closing.signal))) throw error
      }
    }
  }
}

/** Where a copy that waits was first published. */
function originHeaders({ message }: Delivery): Readonly<Record<string, unknown>> {
  const { exchange, routingKey } = originOf(message)
  return { [headers.exchange]: exchange, [headers.routingKey]: routingKey }
}

/** A result, and what the history notes of it. */
type Final = readonly [encoded: string, state: HistoryState, error: StoredError]

function deadLetterResult(attempt: Attempt, reason: DeadLetterReason, thrown: unknown): Final {
  if (reason === 'expired') return revoked(attempt, 'expired')
  const error = describeThrown(thrown)
  return [encodeFailure({ ...speakerOf(attempt), error, doneAt: new Date() }), 'FAILURE', error]
}

const revoked = (attempt: Attempt, reason: string): Final => [
  encodeRevoked({ ...speakerOf(attempt), reason, doneAt: new Date() }),
  'REVOKED',
  revokedError(reason),
]

const cancelled = (attempt: Attempt): Final => [
  encodeCancelled({ ...speakerOf(attempt), doneAt: new Date() }),
  'REVOKED',
  revokedError('cancelled'),
]
