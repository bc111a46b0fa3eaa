/** What `warren.schedules()` and its calls are given. */
import { is } from '../options.js'

type Check = (value: unknown) => string | undefined

export interface SchedulesOptions {
  /** The service whose workers look after the schedules. Default: that of the workers made on this connection, if one. */
  readonly service?: string | undefined
}

export interface NextOptions {
  /** How many ticks. Default 5. */
  readonly count?: number | undefined
  /** Those after this instant. Default: now. */
  readonly after?: Date | undefined
}

export interface BackfillOptions {
  /** The first instant that counts. */
  readonly from: Date
  /** The last instant that counts, not in the future. */
  readonly to: Date
}

export interface PauseOptions {
  /** Kept, and shown to whoever looks. */
  readonly reason?: string | undefined
}

export const NEXT_CHECKS: Readonly<Record<string, Check>> = { count: is.integer(1, 1_000), after: is.date }
export const BACKFILL_CHECKS: Readonly<Record<string, Check>> = { from: is.date, to: is.date }
export const PAUSE_CHECKS: Readonly<Record<string, Check>> = { reason: is.text }
export const isService: Check = is.matching(/^[A-Za-z0-9_.-]{1,50}$/, 'up to 50 letters, digits, _, . and -')
