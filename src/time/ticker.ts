/**
 * Processes a token that arrives. Five steps; the process may die after any of them:
 *
 * 1. claim the visit in the store: a token of another generation, or one already processed, is dropped;
 * 2. publish the task of the tick, under an id made from schedule and tick, confirmed;
 * 3. publish the token for its next visit, confirmed;
 * 4. record the visit in the store;
 * 5. acknowledge.
 *
 * A repeated visit completes the recorded one, under the same ids; a duplicate token that results is dropped at step 1 of its
 * next visit. The store's clock is used throughout.
 */
import { randomUUID } from 'node:crypto'
import { channel } from 'node:diagnostics_channel'
import { jittered } from '../amqp/backoff.js'
import { AccessRefusedError, MessageError, textOf, UnroutableError } from '../errors/index.js'
import type { TickEvent } from '../observe/events.js'
import type { Results } from '../results/store.js'
import { pause } from '../timers.js'
import { isFinal } from '../wire/resultFormat.js'
import { HOLD_MS } from './delayRoutes.js'
import { Rhythm } from './rhythm.js'
import type { ScheduleStore } from './scheduleStore.js'
import { tickId } from './tickId.js'
import type { Paused, Token } from './token.js'
import type { TokenMail } from './tokenMail.js'
import { type Decision, decide, type Ran, visitAt } from './visit.js'

export interface TickerOptions {
  readonly store: ScheduleStore
  readonly mail: TokenMail
  readonly results: Results
  /** How long the store keeps results: a task without a result after that time counts as ended. */
  readonly resultTtlMs: number
  readonly onTick: (tick: TickEvent) => void
  /** Notified when a visit fails and is tried again. */
  readonly onDelayed: (schedule: string, error: unknown) => void
}

/** A token's message, while it is held. */
export interface HeldToken {
  readonly held: boolean
  ack(): boolean
}

const RETRY_INITIAL_MS = 250
const RETRY_MAX_MS = 5_000

/** For observers of the steps: `{ schedule, tick, step }` after each, and `step: 0` before the first. */
const steps = channel('warren:tick')

export class Ticker {
  readonly #options: TickerOptions
  readonly #claimant = randomUUID()
  /** The last visit of each schedule here: one at a time. */
  readonly #visits = new Map<string, Promise<void>>()
  readonly #closing = new AbortController()

  constructor(options: TickerOptions) {
    this.#options = options
  }

  /** Processes one token, until it is acknowledged or no longer held. Never rejects. */
  async visit(token: Token, held: HeldToken): Promise<void> {
    const before = this.#visits.get(token.schedule)
    const visit = (before ?? Promise.resolve()).then(() => this.#persist(token, held))
    this.#visits.set(token.schedule, visit)
    await visit
    if (this.#visits.get(token.schedule) === visit) this.#visits.delete(token.schedule)
  }

  /** Starts no more visits. Running ones may end. */
  close(): void {
    this.#closing.abort()
  }

  /** Resolves when no visit is in progress. */
  async idle(): Promise<void> {
    await Promise.all(this.#visits.values())
  }

  async #persist(token: Token, held: HeldToken): Promise<void> {
    const { signal } = this.#closing
    for (let failures = 0; held.held && !signal.aborted; failures++) {
      try {
        return await this.#visit(token, held)
      } catch (error) {
        if (error instanceof MessageError) {
          this.#options.onDelayed(token.schedule, error)
          return void held.ack()
        }
        if (held.held && !signal.aborted) this.#options.onDelayed(token.schedule, error)
        await pause(jittered(RETRY_INITIAL_MS, failures, RETRY_MAX_MS), signal)
      }
    }
  }

  async #visit(token: Token, held: HeldToken): Promise<void> {
    const { store, mail } = this.#options
    const rhythm = rhythmOf(token)
    const { now, paused } = await this.#due(token, held)
    if (!held.held || this.#closing.signal.aborted) return
    if (token.due - now > HOLD_MS) {
      // It arrived much too early: a clock was set back, or it waits longer than the levels can hold it.
      await mail.passOn(token, now)
      return void held.ack()
    }
    const { order, progress } = token
    const ended = (ran: Ran): Promise<boolean> => this.#hasEnded(token, ran, now)
    const planned = await decide(rhythm, token.definition, { order, progress, paused: paused !== null, now, ended })
    this.#step(token, 0)
    const decision = await store.claim(token, this.#claimant, planned)
    if (decision === undefined || !held.held) return void held.ack()
    this.#step(token, 1)
    const problem = await this.#send(token, decision)
    this.#step(token, 2)
    if (!held.held) return
    // Another worker has it by now: it was redelivered, or there are two copies.
    if (!(await store.holds(token, this.#claimant))) return void held.ack()
    const next = nextToken(token, decision, paused, rhythm, now)
    if (next !== undefined) await mail.passOn(next, now)
    this.#step(token, 3)
    await store.record(token, decision, next?.due ?? null, problem)
    this.#step(token, 4)
    held.ack()
    this.#step(token, 5)
    this.#report(token, decision, rhythm, now, problem)
  }

  /** Waits the last moments before it is due. */
  async #due(token: Token, held: HeldToken): Promise<{ now: number; paused: Paused | null }> {
    for (;;) {
      const clock = await this.#options.store.clock(token.schedule)
      const leftMs = token.due - clock.now
      const over = leftMs <= 0 || leftMs > HOLD_MS || !held.held || this.#closing.signal.aborted
      if (over) return { now: clock.now, paused: clock.paused === null ? null : (JSON.parse(clock.paused) as Paused) }
      await pause(leftMs, this.#closing.signal)
    }
  }

  /** Returns why the task cannot be published, if trying again would not help. */
  async #send(token: Token, { send }: Decision): Promise<string | undefined> {
    if (send === null) return undefined
    try {
      await this.#options.mail.send(token, send)
      return undefined
    } catch (error) {
      if (error instanceof UnroutableError || error instanceof AccessRefusedError) return textOf(error)
      throw error
    }
  }

  async #hasEnded(token: Token, ran: Ran, now: number): Promise<boolean> {
    const { results, resultTtlMs, store } = this.#options
    const result = await results.get(tickId(store.service, token.schedule, ran.tick))
    return result === undefined ? now - ran.at > resultTtlMs : isFinal(result.status)
  }

  #report(token: Token, decision: Decision, rhythm: Rhythm, now: number, problem: string | undefined): void {
    const { store, onTick } = this.#options
    const { send, skip, waiting } = decision
    const begins = waiting !== null && waiting !== token.progress.waiting
    const tick = send ?? (begins ? waiting : skip === null ? undefined : token.order.tick)
    if (tick === undefined) return
    const { schedule } = token
    const about = {
      service: store.service,
      schedule,
      tick: new Date(tick),
      lateMs: Math.max(0, now - rhythm.dueAt(tick)),
    }
    if (problem !== undefined) onTick({ ...about, action: 'failed', reason: problem })
    else if (send !== null) onTick({ ...about, action: 'sent', id: tickId(store.service, schedule, send) })
    else if (begins) onTick({ ...about, action: 'waiting' })
    else onTick({ ...about, action: 'skipped', reason: skip ?? 'missed' })
  }

  #step({ schedule, order }: Token, step: number): void {
    if (steps.hasSubscribers) steps.publish({ schedule, tick: order.tick, step })
  }
}

/** Throws a `MessageError` for a definition from a newer version of Warren. */
export function rhythmOf({ schedule, definition }: Pick<Token, 'schedule' | 'definition'>): Rhythm {
  try {
    return new Rhythm({ ...definition, id: schedule })
  } catch (error) {
    throw new MessageError(`Expected the cron expression of schedule ${schedule} to be ${textOf(error)}`)
  }
}

function nextToken(
  token: Token,
  { next, ran, waiting }: Decision,
  paused: Paused | null,
  rhythm: Rhythm,
  now: number,
): Token | undefined {
  if (next === null) return undefined
  return { ...token, order: next, progress: { ran, waiting }, paused, due: visitAt(rhythm, next, waiting, now) }
}
