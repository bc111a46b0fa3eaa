/**
 * Options are checked whole and at once: every problem is named in one error, unknown keys are refused with the
 * nearest known one. Defaults are exported constants in one place, `defaults`.
 */
import { types } from 'node:util'
import { OptionsError } from './errors/index.js'
import { isAbortSignal } from './kinds.js'

/** Every default of the library, by option name. Durations are in milliseconds. */
export const defaults = {
  /** How long `send` waits for the broker's confirm, republishing after lost connections, before `UNCONFIRMED`. */
  confirmTimeoutMs: 30_000,
  /** How many messages a producer keeps unconfirmed in flight. */
  maxUnconfirmed: 1_000,
  /** How many bytes a producer keeps unconfirmed in flight, whatever their number. */
  maxUnconfirmedBytes: 16 * 1024 * 1024,
  /** The largest message that `send` takes. RabbitMQ 4 refuses more than 16 MiB by itself. */
  maxMessageBytes: 4 * 1024 * 1024,
  /** How long the store keeps a result: Celery's own default, one day. */
  resultTtlMs: 24 * 60 * 60 * 1000,
  /** How long `connect()` tries before it rejects. */
  connectTimeoutMs: 10_000,
  /** AMQP heartbeat. The peer counts as dead after two missed ones. */
  heartbeatSeconds: 10,
  /** First and longest delay between attempts to reconnect; each is jittered. */
  reconnectInitialDelayMs: 50,
  reconnectMaxDelayMs: 5_000,
  /** How many handlers a worker runs at the same time. */
  concurrency: 1,
  /** How long `stop()` lets running attempts finish before it returns their messages to the queue. */
  gracePeriodMs: 30_000,
  /** The shortest and longest delay before a worker tries again to take up a queue that is away. */
  queueRetryInitialDelayMs: 250,
  queueRetryMaxDelayMs: 2_000,
} as const

type Check = (value: unknown) => string | undefined

/** Nothing that is inside of an object or a list: addresses hold passwords, and clients and loggers hold everything. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value === 'function') return 'a function'
  return typeof value === 'bigint' ? `${value}n` : (JSON.stringify(value) ?? String(value))
}

/** The vocabulary of checks: each gives undefined, or what was expected. */
export const is = {
  integer:
    (min: number, max: number = Number.MAX_SAFE_INTEGER): Check =>
    (value) =>
      Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
        ? undefined
        : `an integer ${max === Number.MAX_SAFE_INTEGER ? `≥ ${min}` : `from ${min} to ${max}`}`,
  /** Milliseconds: an integer ≥ `min`, of any length. With `forever`, also `Infinity`. */
  duration:
    (min: number, { forever = false } = {}): Check =>
    (value) =>
      (Number.isSafeInteger(value) && (value as number) >= min) || (forever && value === Number.POSITIVE_INFINITY)
        ? undefined
        : `an integer ≥ ${min}${forever ? ', or Infinity' : ''}`,
  signal: (value: unknown) => (isAbortSignal(value) ? undefined : 'an AbortSignal'),
  text: (value: unknown) => (typeof value === 'string' && value !== '' ? undefined : 'a non-empty string'),
  flag: (value: unknown) => (typeof value === 'boolean' ? undefined : 'true or false'),
  callback: (value: unknown) => (typeof value === 'function' ? undefined : 'a function'),
  date: (value: unknown) => (types.isDate(value) && !Number.isNaN(value.getTime()) ? undefined : 'a valid Date'),
  value:
    (allowed: unknown): Check =>
    (value) =>
      value === allowed ? undefined : String(allowed),
  record: (value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? undefined : 'an object',
  oneOf:
    (...allowed: readonly string[]): Check =>
    (value) =>
      allowed.includes(value as string) ? undefined : allowed.map((each) => `'${each}'`).join(' or '),
  matching:
    (pattern: RegExp, expected: string): Check =>
    (value) =>
      typeof value === 'string' && pattern.test(value) ? undefined : expected,
  listOf:
    (check: Check, expected: string): Check =>
    (value) =>
      Array.isArray(value) && value.length > 0 && value.every((each) => check(each) === undefined)
        ? undefined
        : expected,
  anyOf:
    (...checks: readonly Check[]): Check =>
    (value) => {
      const expected = checks.map((check) => check(value))
      return expected.includes(undefined) ? undefined : expected.join(', or ')
    },
}

/**
 * Checks `options` against `checks` and throws one {@link OptionsError} that names every problem. A key whose value is
 * undefined counts as left out.
 */
export function checkOptions(
  where: string,
  options: unknown,
  checks: Readonly<Record<string, Check>>,
  required: readonly string[] = [],
): void {
  if (is.record(options) !== undefined) throw new OptionsError(where, [`expected an object, got: ${shown(options)}`])
  const given = options as Record<string, unknown>
  const problems: string[] = []
  for (const key of required) {
    if (given[key] === undefined) problems.push(`expected \`${key}\` to be given`)
  }
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue
    const check = Object.hasOwn(checks, key) ? checks[key] : undefined
    if (check === undefined) {
      problems.push(`unknown option \`${key}\`${didYouMean(key, Object.keys(checks))}`)
      continue
    }
    const expected = check(value)
    if (expected !== undefined) problems.push(`expected \`${key}\` to be ${expected}, got: ${shown(value)}`)
  }
  if (problems.length > 0) throw new OptionsError(where, problems)
}

/**
 * Checks options as `checkOptions` does, and returns them with `fallbacks` where they are left out. An option that is
 * undefined counts as left out, so that `{ timeoutMs: config.timeoutMs }` may be written as it is.
 */
export function settleOptions<Options extends object, Fallbacks extends Partial<Options>>(
  where: string,
  options: Options,
  checks: Readonly<Record<string, Check>>,
  fallbacks: Fallbacks,
  required: readonly string[] = [],
): Options & Fallbacks {
  checkOptions(where, options, checks, required)
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return { ...fallbacks, ...Object.fromEntries(given) } as Options & Fallbacks
}

/** `, did you mean …?` for the nearest of `known`, or nothing when none is near. */
export function didYouMean(word: string, known: readonly string[]): string {
  const nearest = known
    .map((each) => ({ each, distance: editDistance(word.toLowerCase(), each.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0]
  return nearest !== undefined && nearest.distance <= Math.max(2, Math.floor(word.length / 3))
    ? `, did you mean \`${nearest.each}\`?`
    : ''
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, substitution))
    }
    previous = row
  }
  return previous[b.length] ?? 0
}
