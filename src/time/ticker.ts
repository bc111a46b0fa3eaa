/**
 * What happens to a token that comes by. Five steps, each of which may be the last one of the process:
 *
 * 1. claim the visit in the store: a token of another generation, and one that has been here, is dropped;
 * 2. publish the task of the tick, under an id made from schedule and tick, confirmed;
 * 3. publish the token for its next visit, confirmed;
 * 4. record the visit in the store;
 * 5. acknowledge.
 *
 * Whoever repeats a visit does what the first one began, under the same ids; a token that there is twice because of it
 * is dropped at step 1 of its next visit. Which instant it is, the store's clock says.
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
  /** How long the store keeps results: a task of which it has none after that has ended. */
  readonly resultTtlMs: number
  readonly onTick: (tick: TickEvent) => void
  /** Told when a visit does not succeed now, and is tried again. */
  readonly onDelayed: (schedule: string, error: unknown) => void
}

/** A token's message, as long as it is held. */
export interface HeldToken {
  readonly held: boolean
  ack(): boolean
}

const RETRY_INITIAL_MS = 250
const RETRY_MAX_MS = 5_000

/** For those who watch the steps: `{ schedule, tick, step }` after each, and `step: 0` before the first. */
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

  /** Looks after one token, until it is acknowledged or no longer held. Never rejects. */
  async visit(token: Token, held: HeldToken): Promise<void> {
    const before = this.#visits.get(token.schedule)
    const visit = (before ?? Promise.resolve()).then(() => this.#persist(token, held))
    this.#visits.set(token.schedule, visit)
    await visit
    if (this.#visits.get(token.schedule) === visit) this.#visits.delete(token.schedule)
  }

  /** Begins nothing more. What is begun may end. */
  close(): void {
    this.#closing.abort()
  }

  /** Resolves when no visit is going on. */
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
      // It came much too early: a clock was put back, or it waits for longer than the levels can make it.
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
    // Another has it by now: it has been handed out again, or there are two of it.
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

  /** Waits for the last moments before it is due. */
  async #due(token: Token, held: HeldToken): Promise<{ now: number; paused: Paused | null }> {
    for (;;) {
      const clock = await this.#options.store.clock(token.schedule)
      const leftMs = token.due - clock.now
      const over = leftMs <= 0 || leftMs > HOLD_MS || !held.held || this.#closing.signal.aborted
      if (over) return { now: clock.now, paused: clock.paused === null ? null : (JSON.parse(clock.paused) as Paused) }
      await pause(leftMs, this.#closing.signal)
    }
  }

  /** Returns why the task cannot be published, when trying again would not help. */
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

/** Throws a `MessageError`: a definition of a version of Warren that knows more. */
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
