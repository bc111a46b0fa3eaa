/**
 * One visit of a schedule's token: what to send, and where the token goes next. A visit is identified by its order, the tick
 * and a hop: a token may arrive several times before one tick, at least once a day, and every other second while a tick waits
 * for the previous one to end. Pure.
 */
import type { ScheduleRules } from './definition.js'
import type { Rhythm } from './rhythm.js'

export interface Order {
  /** The next unprocessed tick, in milliseconds since 1970. */
  readonly tick: number
  /** Counts the visits before this tick. */
  readonly hop: number
}

export interface Ran {
  readonly tick: number
  readonly at: number
}

/** A schedule's state, apart from its definition; in the token and in the store. */
export interface Progress {
  /** The last sent tick, and when it was sent. */
  readonly ran: Ran | null
  /** The tick that waits until the task of `ran` has ended. */
  readonly waiting: number | null
}

/** The actions of one visit. A repeated visit does the same. */
export interface Decision extends Progress {
  /** The tick whose task is sent, if any. */
  readonly send: number | null
  /** Why a due tick is not sent. */
  readonly skip: SkipReason | null
  /** Where the token goes next; null if the schedule has no more ticks. */
  readonly next: Order | null
}

/** `missed`: its time was over by too much, or a later one is due, too. */
export type SkipReason = 'paused' | 'overlap' | 'missed'

/** How late a tick may be sent with `catchUp: 'none'`. */
export const ON_TIME_MS = 10_000
/** How often to check whether the task that a tick waits for has ended. */
const POLL_MS = 2_000
/** A token arrives at least once a day, so that a lost token or a removed schedule is noticed soon. */
const DAY_MS = 24 * 3_600_000

export interface Visited {
  readonly order: Order
  readonly progress: Progress
  readonly paused: boolean
  readonly now: number
  /** Whether a task that was sent has ended. */
  readonly ended: (ran: Ran) => Promise<boolean>
}

export async function decide(rhythm: Rhythm, rules: ScheduleRules, visited: Visited): Promise<Decision> {
  const { order, progress, paused, now, ended } = visited
  const { tick } = order
  const { ran, waiting } = progress
  const again: Order = { tick, hop: order.hop + 1 }
  const none = { send: null, skip: null, ran, waiting }
  const isDue = rhythm.dueAt(tick) <= now
  if (waiting !== null && !paused && (ran === null || (await ended(ran)))) {
    return { send: waiting, skip: null, ran: { tick: waiting, at: now }, waiting: null, next: again }
  }
  if (!isDue) return { ...none, next: again }
  if (paused) return { ...none, skip: 'paused', next: orderOf(rhythm.next(rhythm.newest(tick, now))) }
  const { settled, candidate } = choose(rhythm, rules, tick, now)
  const next = orderOf(rhythm.next(settled))
  if (candidate === null) return { ...none, skip: 'missed', next }
  if (waiting !== null) return { ...none, skip: 'overlap', next }
  if (rules.overlap === 'allow' || ran === null || (await ended(ran))) {
    return { send: candidate, skip: null, ran: { tick: candidate, at: now }, waiting: null, next }
  }
  if (rules.overlap === 'queueOne') return { ...none, waiting: candidate, next }
  return { ...none, skip: 'overlap', next }
}

/** Which due tick is sent, if any, and up to which tick all are processed. */
function choose(
  rhythm: Rhythm,
  { catchUp, catchUpWindowMs }: ScheduleRules,
  tick: number,
  now: number,
): { settled: number; candidate: number | null } {
  if (catchUp === 'all') {
    const oldest = now - catchUpWindowMs
    const first = tick >= oldest ? tick : rhythm.next(oldest - 1)
    if (first !== undefined && rhythm.dueAt(first) <= now) return { settled: first, candidate: first }
    return { settled: rhythm.newest(tick, now), candidate: null }
  }
  const settled = rhythm.newest(tick, now)
  const lateMs = now - rhythm.dueAt(settled)
  return { settled, candidate: lateMs <= (catchUp === 'latest' ? catchUpWindowMs : ON_TIME_MS) ? settled : null }
}

const orderOf = (tick: number | undefined): Order | null => (tick === undefined ? null : { tick, hop: 0 })

/** When a token arrives: when its tick is due, or earlier. */
export function visitAt(rhythm: Rhythm, order: Order, waiting: number | null, now: number): number {
  return Math.min(rhythm.dueAt(order.tick), now + (waiting === null ? DAY_MS : POLL_MS))
}
