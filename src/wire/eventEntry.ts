/**
 * The events of a running task in the store: JSON entries of a capped stream next to its result. The end is not among them; it
 * is in the result. Each entry also contains when its task was queued and its attempt began, so that this is known even if
 * earlier entries were removed.
 */
import { shortened } from '../errors/error.js'
import { isTable } from './celeryValues.js'
import type { Speaker, StoredError } from './resultFormat.js'

/** The longest entry, in characters: for a progress with longer JSON, only the length is stored. */
export const MAX_ENTRY_CHARACTERS = 16_384

export interface EventEntry {
  readonly type: 'started' | 'progress' | 'retry'
  /** When it happened, by the worker's clock, in milliseconds since 1970. */
  readonly at: number
  readonly attempt: number
  readonly queued?: number
  readonly started?: number
  /** Of a progress: its number within the attempt. Two that say the same in one millisecond differ in it. */
  readonly seq?: number
  /** Of a progress: how many before it the worker could not store. */
  readonly lost?: number
  /** Of a progress: what the handler reported. */
  readonly value?: unknown
  /** Of a progress whose value was too long: how many characters its JSON has. */
  readonly tooLong?: number
  readonly error?: StoredError
  /** Of a retry: how long until the next attempt. */
  readonly delayMs?: number
  readonly hostname?: string
  readonly pid?: number
}

type Of = Pick<Speaker, 'attempt' | 'queued' | 'started'>

export const startedEntry = (of: Of, at: number, process: { hostname: string; pid: number }): string =>
  JSON.stringify({ ...head('started', of, at), hostname: process.hostname, pid: process.pid })

/** `json` is the reported value. */
export function progressEntry(of: Of, at: number, { seq, lost }: { seq: number; lost: number }, json: string): string {
  const entry = { ...head('progress', of, at), seq, ...(lost > 0 ? { lost } : undefined) }
  if (json.length > MAX_ENTRY_CHARACTERS) return JSON.stringify({ ...entry, tooLong: json.length })
  // Written piece by piece, so that the value is turned into JSON once.
  return `${JSON.stringify(entry).slice(0, -1)},"value":${json}}`
}

interface Retrying {
  readonly error: StoredError
  readonly delayMs: number
  /** Who ran the attempt. */
  readonly hostname?: string
  readonly pid?: number
}

export function retryEntry(of: Of, at: number, { error, delayMs, hostname, pid }: Retrying): string {
  const { errorClass, message, traceback } = error
  const short = {
    errorClass: shortened(errorClass, 200),
    message: shortened(message, MAX_ENTRY_CHARACTERS / 4),
    ...(traceback === undefined ? undefined : { traceback: shortened(traceback, MAX_ENTRY_CHARACTERS / 4) }),
  }
  return JSON.stringify({ ...head('retry', of, at), delayMs, error: short, hostname, pid })
}

const head = (type: EventEntry['type'], { attempt, queued, started }: Of, at: number) => ({
  ...{ type, at, attempt },
  ...(queued === undefined ? undefined : { queued }),
  ...(started === undefined ? undefined : { started }),
})

/** Reads an entry. Undefined for an invalid one, because other clients may write to the store. */
export function decodeEntry(text: string): EventEntry | undefined {
  let entry: unknown
  try {
    entry = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isTable(entry)) return undefined
  const { type, at, attempt, error } = entry
  if (type !== 'started' && type !== 'progress' && type !== 'retry') return undefined
  if (!isInstant(at) || !isCount(attempt)) return undefined
  return {
    ...{ type, at, attempt },
    ...(isInstant(entry.queued) ? { queued: entry.queued } : undefined),
    ...(isInstant(entry.started) ? { started: entry.started } : undefined),
    ...(isCount(entry.seq) ? { seq: entry.seq } : undefined),
    ...(isCount(entry.lost) ? { lost: entry.lost } : undefined),
    ...('value' in entry ? { value: entry.value } : undefined),
    ...(isCount(entry.tooLong) ? { tooLong: entry.tooLong } : undefined),
    ...(type === 'retry' ? { error: errorIn(error) } : undefined),
    ...(isCount(entry.delayMs) || entry.delayMs === 0 ? { delayMs: entry.delayMs as number } : undefined),
    ...(typeof entry.hostname === 'string' ? { hostname: entry.hostname } : undefined),
    ...(isCount(entry.pid) ? { pid: entry.pid } : undefined),
  }
}

function errorIn(value: unknown): StoredError {
  const { errorClass, message, traceback } = isTable(value) ? value : {}
  return {
    errorClass: typeof errorClass === 'string' ? errorClass : 'Error',
    message: typeof message === 'string' ? message : '',
    traceback: typeof traceback === 'string' ? traceback : undefined,
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0

/** The latest instant that a Date can hold. */
const LATEST = 8.64e15
const isInstant = (value: unknown): value is number => isCount(value) && value <= LATEST
