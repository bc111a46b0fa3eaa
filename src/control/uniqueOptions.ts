/** The unique key options of `send`. */
import { OptionsError } from '../errors/index.js'
import { is, settleOptions } from '../options.js'
import { MAX_UNIQUE_KEY_BYTES, MAX_UNIQUE_MS, type UniqueUntil } from '../wire/uniqueMark.js'

export interface UniqueOptions {
  /** At most one task of the same name can hold a key. A string of 1 to 200 bytes. */
  readonly key: string
  /**
   * When the key is released: once the task has `finished` (succeeded, failed for good, cancelled, expired), once its first
   * attempt has `started`, or this many milliseconds after it was sent, whatever happened to it. Default `finished`.
   */
  readonly until?: UniqueUntil | undefined
  /**
   * What `send` does if another task holds the key: resolves with that task's handle, rejects with `UniqueConflictError`, or
   * sends this task instead: the other is dropped when a worker receives it, unless it has started. Default `existing`.
   */
  readonly onConflict?: 'existing' | 'reject' | 'replace' | undefined
  /**
   * With `replace`: only replaces a task with a smaller version; otherwise `send` resolves with the handle of the existing
   * task.
   */
  readonly version?: number | undefined
  /**
   * How long a key is kept at most while its task is not running, in milliseconds, in addition to the task's delay. It releases
   * the key of a lost task. Default one day.
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

/** The same as the default lifetime of results. */
const DEFAULT_TTL_MS = 24 * 60 * 60 * 1000
/** With a shorter time than a look-up may take, a key could be released before its message is sent. */
const MIN_TTL_MS = 10_000

/** Undefined, or what was expected. A lone surrogate has no UTF-8 encoding: two keys that differ only in one would be equal. */
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
