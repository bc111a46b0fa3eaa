/** The doctor's findings, and the parts that it could not inspect. */

/**
 * The severity. `loses`: messages or results can be lost. `hurts`: work stops, waits or repeats, but nothing is lost. `note`:
 * worth knowing, and may be intended.
 */
export type Severity = 'loses' | 'hurts' | 'note'

export interface Finding {
  /** The check's name. */
  readonly check: string
  readonly severity: Severity
  /** One sentence: the problem and its object. */
  readonly finding: string
  /** The consequence. */
  readonly why: string
  /** The command that fixes it, or other instructions if there is none. */
  readonly fix: string
}

/** A part that could not be inspected, so that nothing is known about it. */
export interface Unknown {
  readonly what: string
  readonly why: string
  /** How to make it inspectable. */
  readonly fix: string
  /** The checks that were skipped because of it. */
  readonly checks: readonly string[]
  /** Whether it was not requested, because an option was left out. It does not prevent the result "healthy". */
  readonly optional: boolean
}

export interface Report {
  readonly at: string
  /** The inspected addresses, without user and password. */
  readonly looked: readonly string[]
  readonly findings: readonly Finding[]
  readonly unknown: readonly Unknown[]
  /** Whether RabbitMQ answered at all, over AMQP or by its management API. */
  readonly reached: boolean
  /** The checks that ran. */
  readonly made: readonly string[]
}

export const SEVERITIES: readonly Severity[] = ['loses', 'hurts', 'note']

/** Whether there are no findings that lose messages or hurt, and everything requested was inspected. */
export const isHealthy = ({ findings, unknown, reached }: Report): boolean =>
  reached && findings.every(({ severity }) => severity === 'note') && unknown.every(({ optional }) => optional)

/** `a`, `a and b`, `a, b and 3 others`. */
export function listed(names: readonly string[], most = 3): string {
  if (names.length <= 1) return names.join('')
  if (names.length <= most + 1) return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
  return `${names.slice(0, most).join(', ')} and ${names.length - most} others`
}
