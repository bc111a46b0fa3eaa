/** What `send` is told about a unique key. */
import { OptionsError } from '../errors/index.js'
import { is, settleOptions } from '../options.js'
import { MAX_UNIQUE_KEY_BYTES, MAX_UNIQUE_MS, type UniqueUntil } from '../wire/uniqueMark.js'

export interface UniqueOptions {
  /** Of the tasks of one name, at most one holds a key. A text of 1 to 200 bytes. */
  readonly key: string
  /**
   * When the key is free again: once the task has `finished` (succeeded, failed for good, cancelled, expired), once its
   * first attempt has `started`, or so many milliseconds after it was sent, whatever has become of it. Default `finished`.
   */
  readonly until?: UniqueUntil | undefined
  /**
   * What `send` does when another task holds the key: resolves with the handle of that one, rejects with
   * `UniqueConflictError`, or sends this one in its place: the other is dropped when it comes to a worker, unless it has
   * started. Default `existing`.
   */
  readonly onConflict?: 'existing' | 'reject' | 'replace' | undefined
  /** With `replace`: replaces only a task of a smaller version; else `send` resolves with the handle of the one there is. */
  readonly version?: number | undefined
  /**
   * The longest that a key is kept while nobody works on its task, in milliseconds, beside the delay that it was sent
   * with: what frees the key of a task that was lost. Default one day.
   */
  readonly ttlMs?: number | undefined
}

/** The options, checked, with defaults. */
export interface Unique {
  readonly key: string
  readonly until: UniqueUntil
  readonly onConflict: 'existing' | 'reject' | 'replace'
  readonly version: number | undefined
  readonly ttlMs: number
}

/** As long as results are kept by default. */
const DEFAULT_TTL_MS = 24 * 60 * 60 * 1000
/** Shorter than a look-up may take, a key would be free before its message is sent. */
const MIN_TTL_MS = 10_000

/** Undefined, or what was expected. Half a surrogate pair has no bytes: two keys that differ in one would be the same. */
export const uniqueKeyProblem = (value: unknown): string | undefined =>
  typeof value === 'string' &&
  value !== '' &&
  Buffer.byteLength(value) <= MAX_UNIQUE_KEY_BYTES &&
  Buffer.from(value).toString() === value
    ? undefined
    : `a text of 1 to ${MAX_UNIQUE_KEY_BYTES} bytes in UTF-8`

const CHECKS = {
  key: uniqueKeyProblem,
  until: is.anyOf(is.oneOf('started', 'finished'), is.integer(1, MAX_UNIQUE_MS)),
  onConflict: is.oneOf('existing', 'reject', 'replace'),
  version: is.integer(0),
  ttlMs: is.integer(MIN_TTL_MS, MAX_UNIQUE_MS),
}

/** Throws `OptionsError`. */
export function settleUnique(where: string, given: UniqueOptions): Unique {
  const settled = settleOptions(where, given, CHECKS, {}, ['key'])
  const { key, until = 'finished', onConflict = 'existing', version, ttlMs } = settled
  const problems: string[] = []
  if (version !== undefined && onConflict !== 'replace') {
    problems.push("expected `version` only with `onConflict: 'replace'`, which it orders")
  }
  if (typeof until === 'number' && ttlMs !== undefined) {
    problems.push('expected `ttlMs` only where `until` is no time: the key is kept for that time')
  }
  if (problems.length > 0) throw new OptionsError(where, problems)
  return { key, until, onConflict, version, ttlMs: typeof until === 'number' ? until : (ttlMs ?? DEFAULT_TTL_MS) }
}
