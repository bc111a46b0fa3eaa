/** The options of `warren.schedules()` and its methods. */
import { is } from '../options.js'

type Check = (value: unknown) => string | undefined

export interface SchedulesOptions {
  /** The service whose workers run the schedules. Default: that of this connection's workers, if there is only one. */
  readonly service?: string | undefined
}

export interface NextOptions {
  /** How many ticks. Default 5. */
  readonly count?: number | undefined
  /** The ticks after this time. Default: now. */
  readonly after?: Date | undefined
}

export interface BackfillOptions {
  /** The start of the period, inclusive. */
  readonly from: Date
  /** The end of the period, inclusive, not in the future. */
  readonly to: Date
}

export interface PauseOptions {
  /** Stored, and returned by `get` and `list`. */
  readonly reason?: string | undefined
}

export const NEXT_CHECKS: Readonly<Record<string, Check>> = { count: is.integer(1, 1_000), after: is.date }
export const BACKFILL_CHECKS: Readonly<Record<string, Check>> = { from: is.date, to: is.date }
export const PAUSE_CHECKS: Readonly<Record<string, Check>> = { reason: is.text }
export const isService: Check = is.matching(/^[A-Za-z0-9_.-]{1,50}$/, 'up to 50 letters, digits, _, . and -')
