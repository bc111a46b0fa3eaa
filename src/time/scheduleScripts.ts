/**
 * The scripts by which schedules are fenced. Each has one key, the hash of a schedule:
 *
 *     generation   of the present definition; of the last one when `removed`
 *     void         the latest generation whose upsert failed and was taken back
 *     definition   JSON
 *     tick, hop    the last visit of the token that is done
 *     next, due    the visit that comes next, `tick:hop`, and when
 *     ran, waiting the tick that was sent last, and the one that waits for its task to end; '' for none
 *     paused       JSON, while it is paused
 *     claim, begun who makes the visit that is not done yet; and `tick:hop `, followed by what it does, as JSON
 *     seeded       when a token was last made because none came
 *     problem      why the last tick could not be sent
 *     trace        JSON: the trace in which it was defined; '' for none
 *     removed      1 once it is removed: tokens that still come are dropped
 *
 * Numbers are whole and below 2^53, which Lua's are exact for.
 */
import { keyScript } from '../results/keyScript.js'

const FENCE = `
local function number(field) return tonumber(redis.call('HGET', KEYS[1], field) or '-1') or -1 end
local function done(tick, hop)
  local t = number('tick')
  return tick < t or (tick == t and hop <= number('hop'))
end
local generation, tick, hop = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])`

/**
 * ARGV  fields
 * Returns the store's clock in milliseconds, then the values of these fields; without any, all names and values.
 */
export const LOOK = keyScript(`
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if #ARGV == 0 then return {now, redis.call('HGETALL', KEYS[1])} end
return {now, redis.call('HMGET', KEYS[1], unpack(ARGV))}`)

/**
 * ARGV  generation, tick and hop of the token, who claims, what it would do, the definition, `paused` of the token or ''
 * Claims a visit; the last to claim it has it. Returns what is to be done, which is what an earlier one began; or nil for
 * a token to be dropped. Where the store does not know the schedule, or only an older one, it learns it from the token.
 */
export const CLAIM = keyScript(`${FENCE}
local held = number('generation')
if generation <= number('void') and generation ~= held then return nil end
if generation < held or (generation == held and redis.call('HEXISTS', KEYS[1], 'removed') == 1) then return nil end
if generation > held then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'definition', ARGV[6])
  if ARGV[7] ~= '' then redis.call('HSET', KEYS[1], 'paused', ARGV[7]) end
elseif done(tick, hop) then
  return nil
end
redis.call('HSET', KEYS[1], 'claim', ARGV[4])
local order = ARGV[2] .. ':' .. ARGV[3] .. ' '
local begun = redis.call('HGET', KEYS[1], 'begun') or ''
if string.sub(begun, 1, #order) == order then return string.sub(begun, #order + 1) end
redis.call('HSET', KEYS[1], 'begun', order .. ARGV[5])
return ARGV[5]`)

/**
 * ARGV  generation, tick and hop of the token, then names and values of fields
 * A visit is done. Returns 1, or 0 when another has done it, or the definition changed meanwhile.
 */
export const RECORD = keyScript(`${FENCE}
if generation ~= number('generation') or redis.call('HEXISTS', KEYS[1], 'removed') == 1 or done(tick, hop) then return 0 end
redis.call('HDEL', KEYS[1], 'claim', 'begun', 'seeded', 'problem')
redis.call('HSET', KEYS[1], 'tick', ARGV[2], 'hop', ARGV[3], unpack(ARGV, 4))
return 1`)

/**
 * ARGV  the generation that the hash is expected to have, '' for none; then names and values of fields
 * Begins a definition anew. Returns 1, or 0 when the hash has another generation by now.
 */
export const PUT = keyScript(`
if (redis.call('HGET', KEYS[1], 'generation') or '') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'claim', 'begun', 'seeded', 'problem', 'removed', 'waiting')
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PERSIST', KEYS[1])
return 1`)

/**
 * ARGV  the generation that failed, how long a removal is remembered in ms, then names and values as they were before
 * Takes an upsert back, if it is still the latest: its token, should there be one, is dropped.
 */
export const TAKE_BACK = keyScript(`
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if #ARGV > 2 then
  redis.call('HSET', KEYS[1], unpack(ARGV, 3))
  redis.call('HSET', KEYS[1], 'void', ARGV[1])
else
  redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'removed', '1')
end
if redis.call('HEXISTS', KEYS[1], 'removed') == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1`)

/** ARGV  how long a removal is remembered in ms. Returns 1, or 0 when there is no such schedule. */
export const REMOVE = keyScript(`
local generation = redis.call('HGET', KEYS[1], 'generation')
if not generation or redis.call('HEXISTS', KEYS[1], 'removed') == 1 then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'generation', generation, 'removed', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`)

/** ARGV  a field, its new value or ''. Returns 1, or 0 when there is no such schedule. */
export const SET_FIELD = keyScript(`
if redis.call('HEXISTS', KEYS[1], 'generation') == 0 or redis.call('HEXISTS', KEYS[1], 'removed') == 1 then return 0 end
if ARGV[2] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return 1`)

/**
 * ARGV  generation and `next` as they were seen, now, for how long one seed counts in ms
 * Claims the making of a token in place of one that has not come. Returns 1 to whoever makes it.
 */
export const SEED = keyScript(`
local held = redis.call('HMGET', KEYS[1], 'generation', 'next', 'seeded')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then return 0 end
if held[3] and tonumber(ARGV[3]) - tonumber(held[3]) < tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[1], 'seeded', ARGV[3])
return 1`)
