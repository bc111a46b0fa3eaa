/**
 * The store's side of limits, by the store's clock and on one key each.
 *
 * A rate is GCRA, twice. `tat` is when the line of reserved starts ends: each message over the rate takes its place in it, and
 * comes back for its start. `ran` is the same for what was really started, and has the last word: whatever becomes of
 * messages, workers and clocks, what runs keeps to the rate, and nothing has to be given back. A message that finds its
 * start taken, or comes too late for it, waits for the next gap (`late`), a few of them at a time; else it takes another start.
 *
 * Places are a sorted set: each holder, by the end of its lease. Beside them are `#fence`, the last fencing number; `#left`,
 * when a place got free last, in microseconds; `#mean`, how far apart places get free on average; and `#line`, when what
 * waits for a place comes by, one message after the other.
 */
import { keyScript } from '../results/keyScript.js'

/** How late a leased start may be used, in milliseconds. */
export const SLOT_GRACE_MS = 40
/** How much too early clocks may find a start, and how late one may be without the rate becoming lower by it. */
const JITTER_MS = 25
/** For how much of the rate's time messages wait for gaps. */
const LATE_MS = 1_000

/** How far ahead starts are leased to a worker. A worker that stands still loses the starts of this time. */
const LEASE_AHEAD_MS = 40
/** How late a lease may be without the rate becoming lower by it. */
const CATCH_UP_MS = 10
/** What workers missed of the last 0.4 s is caught up with, by so much faster: a busy machine does not lower the rate. */
const MISSED_MS = 400
const FASTER = 0.98
const MAX_LEASED = 500
/** The most starts that are reserved in one call. */
export const MAX_RESERVED = 500

const NOW = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000`

const LINE = `${NOW}
local key, each, tolerance = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local kept = redis.call('HMGET', key, 'tat', 'ran', 'each', 'late')
local tat, ran, late = tonumber(kept[1] or 0), tonumber(kept[2] or 0), tonumber(kept[4] or 0)
if kept[3] and kept[3] ~= ARGV[1] then
  tat = math.min(tat, ran)
  late = 0
end
local function keep()
  redis.call('HSET', key, 'tat', string.format('%.3f', tat), 'ran', string.format('%.3f', ran), 'each', ARGV[1],
    'late', string.format('%.3f', late))
  redis.call('PEXPIRE', key, string.format('%.0f', math.max(tat, ran, late) - now + 2000))
end
local function go()
  ran = math.max(ran, now - ${JITTER_MS}) + each
  keep()
  return { 'go' }
end
local function wait(at)
  keep()
  return { 'wait', string.format('%.0f', math.ceil(at)) }
end`

/**
 * KEYS[1]  the line
 * ARGV     milliseconds for each start, tolerance of the burst in milliseconds, 1 to drop, the start that is reserved for
 *          the message or ''
 * Returns `go`, `drop`, or `wait` with the start that is reserved, in milliseconds since 1970.
 */
export const START = keyScript(`${LINE}
local slot = tonumber(ARGV[4])
if slot then
  if slot - now > ${JITTER_MS} then return wait(slot) end
  local gap = ran - tolerance
  if gap - now <= ${JITTER_MS} then return go() end
  gap = math.max(gap, late)
  if gap - now <= math.max(each, ${LATE_MS}) then
    late = gap + each
    return wait(gap)
  end
end
local base = math.max(tat, ran)
if base - tolerance <= now then
  tat = math.max(base, now) + each
  return go()
end
if ARGV[3] == '1' then return { 'drop' } end
tat = base + each
return wait(base - tolerance)`)

/**
 * KEYS[1]  the line
 * ARGV     as of START's first two, how many starts
 * Reserves starts for messages that are about to be sent. Returns each, in milliseconds since 1970.
 */
export const RESERVE = keyScript(`${LINE}
local reserved = {}
local base = math.max(tat, ran)
while #reserved < math.min(tonumber(ARGV[3]), ${MAX_RESERVED}) do
  reserved[#reserved + 1] = string.format('%.0f', math.ceil(math.max(base - tolerance, now)))
  base = math.max(base, now) + each
end
tat = base
keep()
return reserved`)

/** KEYS[1] the line; ARGV as of RESERVE: so many messages were not sent. The line is shorter by as many starts. */
export const GIVE_BACK = keyScript(`${LINE}
if kept[3] ~= ARGV[1] then return 0 end
tat = math.max(tat - each * tonumber(ARGV[3]), math.min(tat, ran))
keep()
return 1`)

/**
 * KEYS[1]  the line
 * ARGV     as of START's first two, how many starts, how many of those that were leased before went unused
 * Leases starts of the next few milliseconds, by two lines: `tat` is that of the rate, which may be behind by what was missed,
 * and `fast` keeps them apart meanwhile. Returns in how many milliseconds to ask again, and in how many each start is.
 */
export const LEASE = keyScript(`${LINE}
local leased = {}
local wanted, unused = math.min(tonumber(ARGV[3]), ${MAX_LEASED}), tonumber(ARGV[4])
local quick = each * ${FASTER}
local fast = kept[3] == ARGV[1] and tonumber(redis.call('HGET', key, 'fast') or 0) - quick * unused or 0
local base = math.max(tat - each * unused, ran)
local function start() return math.max(base - tolerance - ${MISSED_MS}, fast - tolerance - ${CATCH_UP_MS}, now) end
local at = start()
while #leased < wanted and at <= now + ${LEASE_AHEAD_MS} do
  leased[#leased + 1] = string.format('%.3f', at - now)
  base = math.max(base, at) + each
  fast = math.max(fast, at) + quick
  at = start()
end
if #leased > 0 or unused > 0 then
  tat = base
  keep()
  redis.call('HSET', key, 'fast', string.format('%.3f', fast))
end
return { string.format('%.3f', math.max(at - now - ${LEASE_AHEAD_MS / 2}, 1)), unpack(leased) }`)

const HOLDERS = `${NOW}
local key = KEYS[1]
redis.call('ZREMRANGEBYSCORE', key, 1e12, string.format('%.0f', now))
local function special(name) return tonumber(redis.call('ZSCORE', key, name) or nil) end
local fence, mean, line, left = special('#fence'), special('#mean'), special('#line'), special('#left')
local held = redis.call('ZCARD', key) - (fence and 1 or 0) - (mean and 1 or 0) - (line and 1 or 0) - (left and 1 or 0)
local function keep(ms)
  ms = math.max(ms * 2, 600000)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, string.format('%.0f', ms)) end
end
local function holders()
  local all = {}
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, 1e12, '+inf')) do
    local number, sent, id = string.match(member, '^(%d+):(%d+):(.*)$')
    if number then all[#all + 1] = { number = tonumber(number), sent = tonumber(sent), id = id, member = member } end
  end
  return all
end`

/**
 * KEYS[1]  the places
 * ARGV     how many there are, the lease in milliseconds, the task's id, when it was sent, what to do where none is free
 * Returns `go` and the place; `drop`; `wait` and for how many milliseconds; or `cancel` and the id of the oldest task
 * that holds one; `newer` and its id where that was sent later.
 */
export const ENTER = keyScript(`${HOLDERS}
local places, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
if held < places then
  fence = math.max((fence or 0) + 1, math.floor(now * 1000))
  local number = string.format('%.0f', fence)
  local place = number .. ':' .. ARGV[4] .. ':' .. ARGV[3]
  redis.call('ZADD', key, number, '#fence', string.format('%.0f', now + lease), place)
  keep(lease)
  return { 'go', place }
end
if ARGV[5] == 'drop' then return { 'drop' } end
local oldest
for _, each in ipairs(holders()) do
  if ARGV[5] == 'cancelRunning' then
    if not oldest or each.sent < oldest.sent then oldest = each end
  elseif not oldest or each.number < oldest.number then
    oldest = each
  end
end
if ARGV[5] == 'cancelRunning' and oldest then
  return { oldest.sent > tonumber(ARGV[4]) and 'newer' or 'cancel', oldest.id }
end
-- As far apart as places get free. While none does, farther, but not much: what is told to wait long is not woken when some do.
local since = now - math.max(left or 0, fence or 0, oldest and oldest.number or 0) / 1000
local apart = mean or math.max(oldest and now - oldest.number / 1000 or 0, 100) / places
local step = 0.7 * math.max(apart, math.min(since, 3 * apart), since / 100)
step = math.max(5, math.min(step, math.max(1000, apart * places / 50, since / 50), 60000))
line = math.min(math.max(line or 0, now) + step, now + 3600000)
redis.call('ZADD', key, string.format('%.3f', line), '#line')
keep(line - now)
return { 'wait', string.format('%.0f', math.ceil(line - now)) }`)

/**
 * KEYS[1]  the places
 * ARGV     the place, the lease, how many places there are, how long ago the lease was renewed, in milliseconds
 * Renews the lease; also of one that was over, where a place is free and nobody has taken one since: who did has a greater
 * number, and by that refuses this holder. Returns 0 where it is lost.
 */
export const RENEW = keyScript(`${HOLDERS}
if not redis.call('ZSCORE', key, ARGV[1]) then
  local own, overSince = tonumber(string.match(ARGV[1], '^%d+')), now - tonumber(ARGV[4]) + tonumber(ARGV[2])
  if held >= tonumber(ARGV[3]) or (fence and fence > own and fence / 1000 > overSince) then return 0 end
end
redis.call('ZADD', key, string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
keep(tonumber(ARGV[2]))
return 1`)

/** KEYS[1] the places; ARGV the place, 1 where it was used for work: then it says how far apart places get free. */
export const LEAVE = keyScript(`${HOLDERS}
if redis.call('ZREM', key, ARGV[1]) == 0 then return 0 end
local number = tonumber(string.match(ARGV[1], '^(%d+):'))
if number and ARGV[2] == '1' then
  local lasted = now - number / 1000
  local apart = math.max(1, math.min(lasted, left and now - left / 1000 or lasted))
  redis.call('ZADD', key, string.format('%.3f', mean and mean * 0.8 + apart * 0.2 or apart), '#mean',
    string.format('%.0f', now * 1000), '#left')
end
return 1`)

/** KEYS[1] the places. Returns the holders, as `number:sent:id`. */
export const HELD = keyScript(`${HOLDERS}
local all = {}
for index, each in ipairs(holders()) do all[index] = each.member end
return all`)
