/**
 * All options are checked at once: one error lists every problem, and unknown keys are refused with the nearest known one. All
 * defaults are in one exported object, `defaults`.
 */
import { types } from 'node:util'
import { distance } from 'fastest-levenshtein'
import { OptionsError } from './errors/index.js'
import { isAbortSignal, memberOf } from './kinds.js'

/** Every default of the library, by option name. Durations are in milliseconds. */
export const defaults = {
  /** How long `send` waits for the broker's confirm, republishing after lost connections, before `UNCONFIRMED`. */
  confirmTimeoutMs: 30_000,
  /** How many unconfirmed messages a producer keeps in flight. */
  maxUnconfirmed: 1_000,
  /** How many unconfirmed bytes a producer keeps in flight, whatever the number of messages. */
  maxUnconfirmedBytes: 16 * 1024 * 1024,
  /** The largest message that `send` accepts. RabbitMQ 4 itself refuses more than 16 MiB. */
  maxMessageBytes: 4 * 1024 * 1024,
  /** How long the store keeps a result: Celery's own default, one day. */
  resultTtlMs: 24 * 60 * 60 * 1000,
  /** How many entries the history keeps, about. */
  historyMaxEntries: 1_000_000,
  /** How many events of `warren.events()` wait for their reader. */
  maxBuffered: 1_000,
  /** How long workers remember cancellations. */
  cancelKeepMs: 30 * 24 * 60 * 60 * 1000,
  /** How long `connect()` tries before it rejects. */
  connectTimeoutMs: 10_000,
  /** AMQP heartbeat. After two missed ones, the peer counts as dead. */
  heartbeatSeconds: 10,
  /** First and longest delay between attempts to reconnect; each is jittered. */
  reconnectInitialDelayMs: 50,
  reconnectMaxDelayMs: 5_000,
  /** How many handlers a worker runs at the same time. */
  concurrency: 1,
  /** How long `stop()` lets running attempts finish before it returns their messages to the queue. */
  gracePeriodMs: 30_000,
  /** The shortest and longest delay before a worker tries again to consume an unavailable queue. */
  queueRetryInitialDelayMs: 250,
  queueRetryMaxDelayMs: 2_000,
} as const

/** Returns undefined, or the expected value as text. */
export interface Check {
  (value: unknown): string | undefined
  /** The value may contain a password: errors only name its type. */
  readonly secret?: boolean
}

/** The checks: each returns undefined, or the expected value as text. */
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
  /** Values that may contain a password, such as an address or a client. */
  secret: (check: Check): Check => Object.assign((value: unknown) => check(value), { secret: true }),
  signal: (value: unknown) => (isAbortSignal(value) ? undefined : 'an AbortSignal'),
  text: (value: unknown) => (typeof value === 'string' && value !== '' ? undefined : 'a non-empty string'),
  /** A valid AMQP name: of a queue, an exchange, or a routing key. */
  shortText: (value: unknown) =>
    typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= 255
      ? undefined
      : 'a text of 1 to 255 bytes',
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
 * Checks `options` with `checks` and returns their values. Each is read only once, because a getter may return something else
 * the next time. Throws one {@link OptionsError} that lists every problem. A key whose value is undefined counts as left out.
 */
export function checkOptions(
  where: string,
  options: unknown,
  checks: Readonly<Record<string, Check>>,
  required: readonly string[] = [],
): Readonly<Record<string, unknown>> {
  if (is.record(options) !== undefined) throw new OptionsError(where, [`expected an object, got: ${kindOf(options)}`])
  const problems: string[] = []
  const given = readAll(where, options as object, checks)
  for (const key of required) {
    if (given[key] === undefined) problems.push(`expected \`${key}\` to be given`)
  }
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue
    const check = Object.hasOwn(checks, key) ? checks[key] : undefined
    const problem =
      check === undefined
        ? `unknown option \`${key}\`${didYouMean(key, Object.keys(checks))}`
        : problemOf(key, value, check)
    if (problem !== undefined) problems.push(problem)
  }
  if (problems.length > 0) throw new OptionsError(where, problems)
  return given
}

/** The known options, including inherited ones, because options may be an instance of a class; and all other own properties. */
function readAll(
  where: string,
  options: object,
  checks: Readonly<Record<string, Check>>,
): Readonly<Record<string, unknown>> {
  const given: Record<string, unknown> = Object.create(null)
  let reading = 'their names'
  try {
    const own = Object.keys(options)
    for (const key of new Set([...Object.keys(checks), ...own])) {
      reading = `\`${key}\``
      const value = (options as Record<string, unknown>)[key]
      if (value !== undefined) given[key] = value
    }
  } catch (error) {
    // Not the error's text: an option may contain a password, and so may an error of its getter.
    throw new OptionsError(where, [`expected options that can be read, but reading ${reading} threw ${kindOf(error)}`])
  }
  return given
}

function problemOf(key: string, value: unknown, check: Check): string | undefined {
  try {
    const expected = check(value)
    if (expected === undefined) return undefined
    return `expected \`${key}\` to be ${expected}, got: ${check.secret === true ? kindOf(value) : shown(value)}`
  } catch (error) {
    return `expected \`${key}\` to be readable, but reading it threw ${kindOf(error)}`
  }
}

/**
 * Checks options like `checkOptions`, and returns them with `fallbacks` for those left out. An undefined option counts as left
 * out, so that `{ timeoutMs: config.timeoutMs }` works.
 */
export function settleOptions<Options extends object, Fallbacks extends Partial<Options>>(
  where: string,
  options: Options,
  checks: Readonly<Record<string, Check>>,
  fallbacks: Fallbacks,
  required: readonly string[] = [],
): Options & Fallbacks {
  return { ...fallbacks, ...checkOptions(where, options, checks, required) } as Options & Fallbacks
}

/** `, did you mean …?` for the nearest of `known`, or an empty string if none is near. */
export function didYouMean(word: string, known: readonly string[]): string {
  const nearest = known
    .filter((each) => isNear(word.toLowerCase(), each.toLowerCase()))
    .sort((a, b) => distance(word.toLowerCase(), a.toLowerCase()) - distance(word.toLowerCase(), b.toLowerCase()))[0]
  return nearest === undefined ? '' : `, did you mean \`${nearest}\`?`
}

/** A typo, one inside the other (`attempts` and `maxAttempts`), or the same stem (`retries` and `retry`). */
function isNear(a: string, b: string): boolean {
  if (distance(a, b) <= Math.max(2, Math.floor(a.length / 3))) return true
  if (Math.min(a.length, b.length) >= STEM && (a.includes(b) || b.includes(a))) return true
  let stem = 0
  while (stem < a.length && a[stem] === b[stem]) stem++
  return stem >= STEM && stem * 2 >= Math.max(a.length, b.length)
}

/** The shortest meaningful prefix. */
const STEM = 4
const SHOWN_LENGTH = 100

/** A value for an error message. For objects only the type, because they may contain passwords. */
function shown(value: unknown): string {
  switch (typeof value) {
    case 'string': {
      const redacted = value.replace(/\/\/[^/@\s]*@/g, '//…@')
      return JSON.stringify(redacted.length <= SHOWN_LENGTH ? redacted : `${redacted.slice(0, SHOWN_LENGTH)}…`)
    }
    case 'bigint':
      return `${value}n`
    case 'number':
    case 'boolean':
      return String(value)
    default:
      return kindOf(value)
  }
}

/** The type of a value, without its content. Never throws. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (value === '') return 'an empty string'
  if (typeof value !== 'object') return `a ${typeof value}`
  // A proxy's traps would run the object's own code.
  if (types.isProxy(value)) return 'a Proxy'
  if (Array.isArray(value))
    return value.length === 0 ? 'an empty list' : `[${value.slice(0, 5).map(kindOf).join(', ')}]`
  if (types.isDate(value)) {
    const ms = Date.prototype.getTime.call(value)
    return Number.isNaN(ms) ? 'an invalid Date' : new Date(ms).toISOString()
  }
  const name = memberOf(memberOf(Object.getPrototypeOf(value), 'constructor'), 'name')
  return typeof name === 'string' && name !== '' && name !== 'Object' ? `an object of class ${name}` : 'an object'
}
