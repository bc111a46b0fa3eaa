/** What the doctor finds, and what it could not look at. */

/**
 * How bad it is. `loses`: messages or results will be lost. `hurts`: work stops, waits or is repeated, and nothing is
 * lost. `note`: worth knowing, and may be meant so.
 */
export type Severity = 'loses' | 'hurts' | 'note'

export interface Finding {
  /** The check's name. */
  readonly check: string
  readonly severity: Severity
  /** One sentence: what was found, on what. */
  readonly finding: string
  /** What it leads to. */
  readonly why: string
  /** The command that fixes it, or what to do where there is no such command. */
  readonly fix: string
}

/** Something that could not be looked at, so that nothing is claimed about it. */
export interface Unknown {
  readonly what: string
  readonly why: string
  /** What to do so that it can be looked at. */
  readonly fix: string
  /** The checks that were left out for it. */
  readonly checks: readonly string[]
  /** Whether nobody asked for it: an option was left out. It does not keep a cluster from being called healthy. */
  readonly optional: boolean
}

export interface Report {
  readonly at: string
  /** What was looked at, without user and password. */
  readonly looked: readonly string[]
  readonly findings: readonly Finding[]
  readonly unknown: readonly Unknown[]
  /** Whether RabbitMQ answered at all, over AMQP or by its management API. */
  readonly reached: boolean
  /** The checks that were made. */
  readonly made: readonly string[]
}

export const SEVERITIES: readonly Severity[] = ['loses', 'hurts', 'note']

/** Whether nothing was found that loses messages or holds up work, and all that was asked for was looked at. */
export const isHealthy = ({ findings, unknown, reached }: Report): boolean =>
  reached && findings.every(({ severity }) => severity === 'note') && unknown.every(({ optional }) => optional)

/** `a`, `a and b`, `a, b and 3 others`. */
export function listed(names: readonly string[], most = 3): string {
  if (names.length <= 1) return names.join('')
  if (names.length <= most + 1) return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
  return `${names.slice(0, most).join(', ')} and ${names.length - most} others`
}
