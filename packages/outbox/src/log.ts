/** Log lines of a relay, each kind only occasionally, because an unreachable server affects every row. */
import { type Logger, textOf } from 'warren'

const QUIET_MS = 30_000

export interface Reporter {
  /** At most once in half a minute for one text. */
  warn(message: string, error?: unknown): void
  error(message: string, fields: object): void
}

export function reporter(given: Logger | false | undefined): Reporter {
  const write = (level: 'warn' | 'error', fields: object, message: string): void => {
    if (given === false) return
    const text = `Outbox: ${message}`
    try {
      if (given !== undefined) {
        given[level](fields, text)
        return
      }
      const line = { level: level === 'warn' ? 40 : 50, time: Date.now(), name: 'warren-outbox', ...fields, msg: text }
      process.stderr.write(`${JSON.stringify(line)}\n`)
    } catch {
      // A failing logger cannot be reported.
    }
  }
  const saidAt = new Map<string, number>()
  return {
    warn(message, error) {
      const now = performance.now()
      const kind = message.replace(/:.*/s, '')
      if (now - (saidAt.get(kind) ?? Number.NEGATIVE_INFINITY) < QUIET_MS) return
      saidAt.set(kind, now)
      write('warn', {}, error === undefined ? message : `${message}: ${textOf(error)}`)
    },
    error: (message, fields) => write('error', fields, message),
  }
}
