import { memberOf } from '../kinds.js'

/**
 * The logger that Warren writes to, with pino's methods: a pino logger, a child of one, or the console can be used unchanged.
 */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  /** A logger that adds these fields to each line, as pino's does. Without it Warren adds them itself. */
  child?(fields: object): unknown
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** A check for options: undefined when the value has a method for each level, else what was expected. */
export function isLogger(value: unknown): string | undefined {
  const missing = LOG_LEVELS.filter((level) => typeof memberOf(value, level) !== 'function')
  if (missing.length === 0) return undefined
  return `an object with the methods debug, info, warn and error, as a pino logger has (missing: ${missing.join(', ')})`
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }
