/**
 * The regular expressions of policies and permissions, on this side. RabbitMQ's are Perl's, which JavaScript knows for the
 * greater part; what it does not know is unknown here, never "does not match".
 */
import { createContext, Script } from 'node:vm'

/** A pattern that backtracks for ever must not hold up the doctor. */
const TIMEOUT_MS = 200

const context = createContext({ pattern: '', name: '' })
const script = new Script('new RegExp(pattern).test(name)')

/** Whether it matches any part of the name, as RabbitMQ takes it; undefined when that cannot be said. */
export function matches(pattern: string, name: string): boolean | undefined {
  Object.assign(context, { pattern, name })
  try {
    return script.runInContext(context, { timeout: TIMEOUT_MS }) === true
  } catch {
    return undefined
  }
}
