/** Whether there is a history, and how much of it is kept. */
import { defaults, is, settleOptions } from '../options.js'

export interface HistoryOptions {
  /** How many entries are kept, about: the oldest go. Default 1,000,000. */
  readonly maxEntries?: number | undefined
  /** How long an entry is kept, about, in milliseconds. Default: as long as a result. */
  readonly keepMs?: number | undefined
}

export interface HistorySettings {
  readonly maxEntries: number
  readonly keepMs: number
}

const CHECKS = { maxEntries: is.integer(1_000, 100_000_000), keepMs: is.duration(1_000) }

/** Undefined where there is none. Throws `OptionsError`. */
export function settleHistory(
  given: HistoryOptions | false | undefined,
  resultTtlMs: number,
): HistorySettings | undefined {
  if (given === false) return undefined
  const fallbacks = { maxEntries: defaults.historyMaxEntries, keepMs: Math.max(1_000, resultTtlMs) }
  return given === undefined ? fallbacks : settleOptions('connect: history', given, CHECKS, fallbacks)
}
