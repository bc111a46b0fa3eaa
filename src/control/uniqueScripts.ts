/**
 * What is done with a unique key, each in one step on the store. A key is a hash:
 *
 *     id, run          the task that holds it, and which run of it
 *     state            `pending`: claimed, and not known to be confirmed by the broker; `sent`; `ended`: kept for `floor`
 *     token, till      of a pending one: whose claim it is, and how long that is good for, by the store's clock in ms
 *     until, ends      `started`, `finished`, or `time` and when that is over
 *     seq, version     the holder's place in the order of all that was sent under the key: the store's, the sender's own
 *     last             the latest `seq` that was given
 *     floor, floorVersion   the place of the newest that was sent with `replace`: older ones are dropped when they come
 *
 *     free ──CLAIM──▶ pending ──CONFIRM, BEGIN──▶ sent ──RELEASE──▶ free
 *      ▲                │  │ its time is over         │ CONFIRM, BEGIN of one that replaces it
 *      └─────FAIL───────┘  └─▶ pending again,         └─▶ sent, with the other's id
 *                              adopted by the next
 */
import { keyScript } from '../results/keyScript.js'

const READ = `
local key = KEYS[1]
local id, run, state, token, till, seq, version, untilWhen, ends, last, floor, floorVersion = unpack(
  redis.call('HMGET', key, 'id', 'run', 'state', 'token', 'till', 'seq', 'version', 'until', 'ends', 'last', 'floor', 'floorVersion'))
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local live = (state == 'pending' or state == 'sent') and (untilWhen ~= 'time' or tonumber(ends) > ms)
local function after(more) return string.format('%.0f', ms + more) end
local function newer(aVersion, aSeq, bVersion, bSeq)
  if aVersion ~= '' and bVersion and bVersion ~= '' then return tonumber(aVersion) > tonumber(bVersion) end
  return tonumber(aSeq) > tonumber(bSeq or 0)
end
local function keep(ms)
  if redis.call('PTTL', key) < tonumber(ms) then redis.call('PEXPIRE', key, ms) end
end
local function free()
  if floor then redis.call('HSET', key, 'state', 'ended') else redis.call('DEL', key) end
end`

/** ARGV of those that may make a task the holder: id, run, seq, version or '', until, ttl, 1 for replace. */
const TASK = `${READ}
local mine = { id = ARGV[1], run = ARGV[2], seq = ARGV[3], version = ARGV[4], untilWhen = ARGV[5], ttl = ARGV[6] }
local replaces = ARGV[7] == '1'
local dropped = floor and mine.seq ~= floor and not newer(mine.version, mine.seq, floorVersion, floor)
local own = live and id == mine.id
local function hold()
  if own and tonumber(run) > tonumber(mine.run) then mine.run = run end
  if not own then redis.call('HSET', key, 'ends', after(mine.ttl)) end
  redis.call('HSET', key, 'id', mine.id, 'run', mine.run, 'state', 'sent', 'seq', mine.seq, 'version', mine.version,
    'until', mine.untilWhen)
  if replaces then
    redis.call('HSET', key, 'floor', mine.seq, 'floorVersion', mine.version)
    floor = mine.seq
  end
  keep(mine.ttl)
end`

/**
 * ARGV  id, run, token, lease, ttl, until, version or '', 1 for replace, an id that is known to have ended or '', its
 *       run, 1 to adopt
 * Claims the key for `id` where it is free: nobody holds it, or the one that has ended, or `id` itself. To adopt, `id`
 * must be the holder of a claim whose time is over. With replace nothing is claimed where somebody holds it: the task
 * takes the key once it is confirmed.
 * Returns what, the holder's id, its run, its `until`, the `seq` for this task. What: `mine`; `replaces`; `older`: the
 * holder has this version or a later one; `held`; `pending`; `lapsed`.
 */
export const CLAIM = keyScript(`${READ}
local nextSeq = string.format('%.0f', math.max(now[1] * 1000000 + now[2], (tonumber(last) or 0) + 1))
local lapsed = state == 'pending' and tonumber(till) <= ms
local own = token == ARGV[3] or id == ARGV[1] and (ARGV[11] ~= '1' or lapsed)
local ended = id == ARGV[9] and run == ARGV[10] and (state == 'sent' or lapsed)
local function answer(what) return { what, id, run, untilWhen, nextSeq } end
if live and not own and not ended then
  if ARGV[8] == '1' and newer(ARGV[7], nextSeq, version, seq) then
    redis.call('HSET', key, 'last', nextSeq)
    return answer('replaces')
  end
  if state == 'sent' then return answer(ARGV[8] == '1' and 'older' or 'held') end
  return answer(lapsed and 'lapsed' or 'pending')
end
id, run, untilWhen = ARGV[1], ARGV[2], ARGV[6]
redis.call('HSET', key, 'id', id, 'run', run, 'state', 'pending', 'token', ARGV[3], 'till', after(ARGV[4]),
  'seq', nextSeq, 'last', nextSeq, 'version', ARGV[7], 'until', untilWhen, 'ends', after(ARGV[5]))
keep(ARGV[5])
return answer('mine')`)

/** ARGV id, token, lease: the claim is good for another lease, or, with 0, not any more. */
export const EXTEND = keyScript(`${READ}
if state ~= 'pending' or id ~= ARGV[1] or token ~= ARGV[2] then return 0 end
redis.call('HSET', key, 'till', after(ARGV[3]))
return 1`)

/** ARGV id, token: what was claimed is certainly in no queue. */
export const FAIL = keyScript(`${READ}
if state ~= 'pending' or id ~= ARGV[1] or token ~= ARGV[2] then return 0 end
free()
return 1`)

/**
 * ARGV  as of TASK. The broker has confirmed the task's message, so that it holds the key, or takes it from an older
 * one. It may have been run, and have released the key, before its sender says so: a key that is free stays free, unless
 * the task replaces others, since such a one leaves its place in `floor`. Returns 1 when it holds the key.
 */
export const CONFIRM = keyScript(`${TASK}
if own then
  hold()
  return 1
end
if not replaces or mine.seq == floor or dropped then return 0 end
if live and not newer(mine.version, mine.seq, version, seq) then return 0 end
hold()
return 1`)

/**
 * ARGV  as of TASK. The task is about to be run. One that is older than what replaced it is not. Otherwise it holds the
 * key from now on, where no other one does, or, when it keeps the key until it is started, releases it.
 * Returns `replaced` and the id of the holder; `held`; `other`: it runs without the key.
 */
export const BEGIN = keyScript(`${TASK}
if not own and dropped then return { 'replaced', id } end
if not own and live and not (replaces and newer(mine.version, mine.seq, version, seq)) then return { 'other', id } end
if mine.untilWhen == 'time' and not live then return { 'other', '' } end
if own or replaces or mine.untilWhen == 'finished' then hold() end
if mine.untilWhen == 'started' and redis.call('EXISTS', key) == 1 then free() end
return { 'held', mine.id }`)

/** ARGV id, run, 1 also when it was to be kept for a time: the task has ended. A later run of it keeps the key. */
export const RELEASE = keyScript(`${READ}
if not live or id ~= ARGV[1] or tonumber(run) > tonumber(ARGV[2]) then return 0 end
if untilWhen == 'time' and ARGV[3] ~= '1' then return 0 end
free()
return 1`)

/** ARGV id, ttl: the task is run, or waits for its next attempt. */
export const KEEP = keyScript(`${READ}
if not live or id ~= ARGV[1] or untilWhen == 'time' then return 0 end
keep(ARGV[2])
return 1`)

/** Returns 1 while the key is claimed, and nobody knows yet whether its task is sent. */
export const PENDING = keyScript(`${READ}
return live and state == 'pending' and tonumber(till) > ms and 1 or 0`)

/** Returns the id of the task that holds the key, or ''. */
export const HOLDER = keyScript(`${READ}
return live and id or ''`)
