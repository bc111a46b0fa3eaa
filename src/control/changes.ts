/**
 * The announcements of cancellations and pauses, and how they are kept. One version number counts all changes of a virtual
 * host, so that a worker notices a missed one: the next announcement's number does not follow the last.
 *
 * Each change takes two steps on one key each, so that it works in a cluster: it is stored, then counted and announced. Reading
 * the version first and the entries afterwards returns at least all changes up to that version.
 */
import { keyScript } from '../results/keyScript.js'
import type { Results } from '../results/store.js'
import { isConcurrency, type Rate, settleRate } from '../task/limit.js'
import { isTable, parseJson } from '../wire/celeryValues.js'
import { controlChannel, controlVersionKey } from '../wire/names.js'

/** Since when something is cancelled, and until when the store keeps the entry; both by its clock, in milliseconds. */
export interface Cut {
  readonly at: number
  readonly until: number
}

export interface Pause {
  /** When it was paused, in milliseconds since 1970, by the store's clock. */
  readonly at: number
  readonly reason: string | undefined
}

/** A limit that was set at run time. Undefined settings keep the task's declared value. */
export interface SetLimit {
  /** When it was set, in milliseconds since 1970. */
  readonly at: number
  readonly rate?: Rate | false | undefined
  readonly concurrency?: number | false | undefined
  /** For a declared limit: whether it applies to each key. */
  readonly perKey?: boolean
}

export type Change =
  | { readonly kind: 'cancelled'; readonly field: string; readonly cut: Cut }
  /** Sent again by a caller. */
  | { readonly kind: 'uncancelled'; readonly field: string }
  | { readonly kind: 'paused'; readonly queue: string; readonly pause: Pause }
  | { readonly kind: 'resumed'; readonly queue: string }
  | { readonly kind: 'limited'; readonly field: string; readonly limit: SetLimit }
  | { readonly kind: 'unlimited'; readonly field: string }

export interface Announcement {
  readonly version: number
  readonly change: Change
}

/**
 * KEYS[1]  the version
 * ARGV     the channel, the change as JSON
 * Returns the new version. It starts from the clock, so that a store that was emptied does not count the same again. Who
 * may not be told over the channel learns it from the version.
 */
const ANNOUNCE = keyScript(`
local version = tonumber(redis.call('GET', KEYS[1]) or nil)
if not version then
  local time = redis.call('TIME')
  version = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local text = string.format('%.0f', version + 1)
redis.call('SET', KEYS[1], text)
redis.pcall('PUBLISH', ARGV[1], text .. ' ' .. ARGV[2])
return text`)

/** Counts and announces a stored change. Throws `StoreUnreachableError`, `StoreRefusesError`. */
export async function announce(results: Results, vhost: string, change: Change, timeoutMs: number): Promise<void> {
  await results.ask(
    (store) => ANNOUNCE(store, controlVersionKey(vhost), controlChannel(vhost), JSON.stringify(change)),
    timeoutMs,
  )
}

/** Undefined for a change that this version of Warren does not know. */
export function announcementOf(text: string): Announcement | undefined {
  const space = text.indexOf(' ')
  const version = Number(text.slice(0, space))
  if (space < 1 || !Number.isSafeInteger(version)) return undefined
  try {
    const change = parseJson('An announcement', text.slice(space + 1), { typed: false })
    return isTable(change) && isChange(change) ? { version, change } : undefined
  } catch {
    return undefined
  }
}

const isChange = (change: Record<string, unknown>): change is Record<string, unknown> & Change => {
  const { kind, field, cut, queue, pause, limit } = change
  switch (kind) {
    case 'cancelled':
      return typeof field === 'string' && isTable(cut) && Number.isFinite(cut.at) && Number.isFinite(cut.until)
    case 'limited':
      return typeof field === 'string' && setLimitOf(JSON.stringify(limit)) !== undefined
    case 'uncancelled':
    case 'unlimited':
      return typeof field === 'string'
    case 'paused':
      return typeof queue === 'string' && isTable(pause) && Number.isFinite(pause.at)
    case 'resumed':
      return typeof queue === 'string'
    default:
      return false
  }
}

/** Undefined for what is none. */
export function cutOf(text: string | null | undefined): Cut | undefined {
  const [, at, until] = /^(\d+):(\d+)$/.exec(text ?? '') ?? []
  return at === undefined ? undefined : { at: Number(at), until: Number(until) }
}

/** Undefined for what is none. */
export function pauseOf(text: string | undefined): Pause | undefined {
  try {
    const pause = parseJson('A pause', text ?? '', { typed: false })
    if (!isTable(pause) || typeof pause.at !== 'number') return undefined
    return { at: pause.at, reason: typeof pause.reason === 'string' ? pause.reason : undefined }
  } catch {
    return undefined
  }
}

/** Undefined for what is none. */
export function setLimitOf(text: string | undefined): SetLimit | undefined {
  try {
    const limit = parseJson('A limit', text ?? '', { typed: false })
    if (!isTable(limit) || typeof limit.at !== 'number') return undefined
    const { at, rate, concurrency, perKey } = limit
    if (concurrency !== undefined && concurrency !== false && isConcurrency(concurrency) !== undefined) return undefined
    return {
      at,
      ...(rate === undefined ? {} : { rate: rate === false ? rate : settleRate('A limit', rate as Rate) }),
      ...(concurrency === undefined ? {} : { concurrency: concurrency as number | false }),
      ...(perKey === true ? { perKey } : {}),
    }
  } catch {
    return undefined
  }
}
