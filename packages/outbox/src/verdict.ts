/** What an error of `publishPrepared` means for the row: by Warren's codes, whichever copy of the package threw it. */
import { textOf } from 'warren'

export { textOf } from 'warren'

export interface Verdict {
  /**
   * `unconfirmed`: nobody knows, or the broker is away: tried until it is confirmed. `refused`: RabbitMQ will not have it
   * now: tried so many times. `hopeless`: trying again changes nothing.
   */
  readonly kind: 'unconfirmed' | 'refused' | 'hopeless'
  readonly code: string
  readonly reason: string
}

/** Anything else, known or not, counts as refused: it is tried, and ends some time. */
const KINDS: Readonly<Record<string, Verdict['kind']>> = {
  UNCONFIRMED: 'unconfirmed',
  // Warren was closed before the relay.
  CLOSED: 'unconfirmed',
  PAYLOAD_TOO_LARGE: 'hopeless',
  // What is in the table is no record.
  INVALID_OPTIONS: 'hopeless',
}

const MAX_REASON = 2_000

export function verdictOf(error: unknown): Verdict {
  const given = (Object(error) as { code?: unknown }).code
  const code = error instanceof SyntaxError ? 'NOT_JSON' : typeof given === 'string' ? given : 'UNKNOWN'
  const kind = code === 'NOT_JSON' ? 'hopeless' : (KINDS[code] ?? 'refused')
  return { kind, code, reason: textOf(error).slice(0, MAX_REASON) }
}
