/** The header `x-warren-unique`, as JSON: the unique key under which a message was sent. Pure. */
import { isCount, jsonTableIn } from './headerValues.js'
import { headers } from './names.js'

/** Until when a task keeps its key: its first attempt's start, its end, or this many milliseconds. */
export type UniqueUntil = 'started' | 'finished' | number

export interface UniqueMark {
  readonly key: string
  readonly until: UniqueUntil
  /** How long the key is kept at most while the task is not running, in milliseconds. */
  readonly ttlMs: number
  /** The position among all tasks sent under the key, by the store's clock. */
  readonly seq: number
  /** Whether it takes the key from older ones. */
  readonly replace: boolean
  /** The sender's own order, before `seq`. */
  readonly version: number | undefined
}

export const MAX_UNIQUE_KEY_BYTES = 200
/** Ten years. */
export const MAX_UNIQUE_MS = 10 * 365 * 24 * 60 * 60 * 1000

export function encodeUniqueMark({ key, until, ttlMs, seq, replace, version }: UniqueMark): string {
  return JSON.stringify({ key, until, ttl: ttlMs, seq, ...(replace ? { replace } : {}), version })
}

/** Undefined if there is none. An unreadable one counts as none, so that it does not prevent the message from running. */
export function uniqueMarkOf(given: Readonly<Record<string, unknown>> | undefined): UniqueMark | undefined {
  const mark = jsonTableIn(given, headers.unique)
  if (mark === undefined) return undefined
  const { key, until, ttl, seq, replace, version } = mark
  if (typeof key !== 'string' || key === '' || Buffer.byteLength(key) > MAX_UNIQUE_KEY_BYTES) return undefined
  if (until !== 'started' && until !== 'finished' && !isDuration(until)) return undefined
  if (!isDuration(ttl) || !isCount(seq)) return undefined
  return { key, until, ttlMs: ttl, seq, replace: replace === true, version: isCount(version) ? version : undefined }
}

const isDuration = (value: unknown): value is number => isCount(value) && value > 0 && value <= MAX_UNIQUE_MS
