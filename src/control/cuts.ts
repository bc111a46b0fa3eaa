/** Keeps cancellations in the store: one hash for each virtual host, `field → since:until`. */
import { keyScript } from '../results/keyScript.js'
import type { Results } from '../results/store.js'
import { cancelledKey } from '../wire/names.js'
import { type Cut, cutOf } from './changes.js'

/** How long the store gets for one step. */
export const STEP_MS = 5_000
/** How far a caller's clock may be ahead: tasks that it sent earlier must be covered. */
const AHEAD_MS = 2_000

/**
 * KEYS[1]  what is cancelled
 * ARGV     the field, the caller's clock in milliseconds, how long it is kept
 * Returns what is kept: since when, by the store's clock or the caller's, whichever is later, and until when.
 */
const CUT = keyScript(`
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local at = math.max(now, math.min(tonumber(ARGV[2]), now + ${AHEAD_MS}))
local till = at + tonumber(ARGV[3])
local held = tonumber(string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', ':(%d+)$') or 0)
local cut = string.format('%.0f:%.0f', at, math.max(till, held))
redis.call('HSET', KEYS[1], ARGV[1], cut)
return cut`)

/**
 * KEYS[1]  what is cancelled
 * ARGV     fields
 * Forgets those whose time is over, by the store's clock: somebody may have cancelled them again.
 */
const FORGET = keyScript(`
local now = tonumber(redis.call('TIME')[1]) * 1000
for _, field in ipairs(ARGV) do
  local till = tonumber(string.match(redis.call('HGET', KEYS[1], field) or '', ':(%d+)$'))
  if till and till < now then redis.call('HDEL', KEYS[1], field) end
end`)

/** How many fields one call of the script checks. */
const FORGET_BATCH = 1_000

/** The cancelled field, the caller's time, and how long to keep the entry. */
interface NewCut {
  readonly field: string
  readonly now: number
  readonly keepMs: number
}

export async function keepCut(results: Results, vhost: string, { field, now, keepMs }: NewCut): Promise<Cut> {
  const kept = await results.ask((store) => CUT(store, cancelledKey(vhost), field, Math.ceil(now), keepMs), STEP_MS)
  const cut = cutOf(typeof kept === 'string' ? kept : undefined)
  if (cut === undefined) throw new TypeError('expected what is kept of a cancelling, got something else')
  return cut
}

export async function forgetPast(results: Results, vhost: string, fields: readonly string[]): Promise<void> {
  for (let from = 0; from < fields.length; from += FORGET_BATCH) {
    const some = fields.slice(from, from + FORGET_BATCH)
    await results.ask((store) => FORGET(store, cancelledKey(vhost), ...some), STEP_MS)
  }
}
