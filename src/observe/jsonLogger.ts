/**
 * The default logger: JSON lines on standard error, so that standard output stays the program's own. The keys are pino's, so
 * that tools for pino's lines can read them.
 */
import { hostname } from 'node:os'
import { textOf } from '../errors/index.js'
import { isError } from '../kinds.js'
import type { Logger } from '../task/logger.js'

const LEVELS = { info: 30, warn: 40, error: 50 } as const

/** Writes lines of level `info` and above. Each call writes one line, whatever the fields contain, and never throws. */
export function jsonLogger(write: (line: string) => void = toStandardError): Logger {
  const always = { pid: process.pid, hostname: hostname(), name: 'warren' }
  const log = (level: keyof typeof LEVELS) => (fields: object, message: string) => {
    const first = { level: LEVELS[level], time: Date.now(), ...always }
    write(lineOf(() => ({ ...first, ...fields, msg: message })) ?? JSON.stringify({ ...first, msg: String(message) }))
  }
  return { debug: () => undefined, info: log('info'), warn: log('warn'), error: log('error') }
}

/** `console` ignores a broken pipe; a direct write would end the process. */
const toStandardError = (line: string): void => console.error(line)

/** Undefined for values that JSON cannot represent: a cycle, a getter that throws. */
function lineOf(record: () => object): string | undefined {
  try {
    return JSON.stringify(record(), (_key, value: unknown) => {
      if (typeof value === 'bigint') return String(value)
      if (!isError(value)) return value
      return { ...value, type: value.name, message: textOf(value), stack: value.stack }
    })
  } catch {
    return undefined
  }
}
