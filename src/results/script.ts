/**
 * How results are written: by scripts, so that what a key holds is looked at and replaced in one step. A script never
 * reads what a handler returned: a result's text starts with its status and ends with its attempt and run
 * (`wire/resultFormat.ts`), and only these ends are looked at.
 */
import type { HistoryNote } from '../wire/historyEntry.js'
import { NOTED_VALUES, REMEMBER } from './remember.js'

/** A result, and who is to hear of it. */
export interface ResultWrite {
  readonly key: string
  /** As JSON, on one line; '' where only an event is appended. */
  readonly encoded: string
  /** The reply channel of the producer that sent the task, or ''. */
  readonly reply: string
  /** What is appended to the task's events when the result is stored: the stream's key, the run, the entry as JSON. */
  readonly event?: { readonly key: string; readonly run: number; readonly entry: string } | undefined
  /** What the history keeps of it when it is stored. */
  readonly note?: HistoryNote | undefined
}

/** The most that one task's events take: the oldest go. What an entry costs beside its text is not counted. */
const EVENTS_COUNT = 1_000
export const EVENTS_BYTES = 256 * 1_024

/**
 * What a text says: its status, attempt and run, or nothing when it is no result. Of a long one that a key holds only
 * both ends are read. A result that another Celery wrote
 * has neither attempt nor run, and counts as attempt 0 of run 0. Celery looks at neither of them: what a Python worker
 * writes replaces what is there, unless that is a SUCCESS, so its result after a redrive is seen.
 */
export const READ = `
local function read(head, tail)
  local status = string.match(head, '^{"status": ?"([^"]*)"')
  if not status then return end
  local attempt, run = string.match(tail, '"attempt":(%d+),"run":(%d+)}$')
  local cancelled = status == 'REVOKED' and string.find(tail, '"cancelled":true,"attempt":', 1, true) ~= nil
  return status, tonumber(attempt or string.match(tail, '"attempt":(%d+)}$') or 0), tonumber(run or 0), cancelled
end
local function held(key)
  local head = redis.pcall('GETRANGE', key, 0, 999)
  if type(head) ~= 'string' then return end
  return read(head, #head < 1000 and string.sub(head, -80) or redis.call('GETRANGE', key, -80, -1))
end`

/**
 * Appends an entry to a stream. Its id is the run and the number within the run, from 1, so that whoever reads sees how
 * many are gone, and a new run is told from an old one. Its size and that of all before it is kept with it. What is no
 * stream is replaced; what an older run still says is left out.
 */
const APPEND = `
local function size(entry) return tonumber(entry[2][4]) or 0 end
local function append(key, run, event)
  local last = redis.pcall('XREVRANGE', key, '+', '-', 'COUNT', 1)
  if last.err then
    redis.call('DEL', key)
    last = {}
  end
  local number, total = 1, #event
  if last[1] then
    local lastRun, lastNumber = string.match(last[1][1], '^(%d+)-(%d+)$')
    if tonumber(lastRun) > run then return end
    if tonumber(lastRun) == run then number = tonumber(lastNumber) + 1 end
    total = total + size(last[1])
  end
  local kept = ${EVENTS_COUNT}
  if total > ${EVENTS_BYTES} then
    local length, from = redis.call('XLEN', key), '-'
    kept = length + 1
    repeat
      local oldest = redis.call('XRANGE', key, from, '+', 'COUNT', 10)
      for _, entry in ipairs(oldest) do
        -- What would be left without all up to the one before it.
        if total - size(entry) + #(entry[2][2] or '') <= ${EVENTS_BYTES} then
          oldest = {}
          break
        end
        kept = kept - 1
        from = '(' .. entry[1]
      end
    until #oldest == 0
    kept = math.min(kept, ${EVENTS_COUNT})
  end
  redis.call('XADD', key, 'MAXLEN', kept, string.format('%.0f-%.0f', run, number), 'event', event, 'size', total)
  redis.call('PEXPIRE', key, ARGV[1])
end`

/**
 * KEYS     the keys of results, of which there may be many; then those of the streams to append to; then the streams
 *          of the history
 * ARGV[1]  their TTL in milliseconds
 * ARGV     how many results and streams there are; then for each result its JSON or '' for none, the reply channel or '';
 *          then for each stream the number of its result, the run, the entry as JSON; then what the history keeps
 * Returns for each key 1 when stored, 0 when what the key held stays, 2 when that is the REVOKED of a cancelled task:
 * - a REVOKED of a cancelled task stays, whatever its run or an earlier one says: its caller was told so;
 * - a SUCCESS stays, and anything else gives way to SUCCESS, of whatever run: the work is done, and not to be done again;
 * - for the rest, a later run replaces what an earlier one left, and not the other way round;
 * - within one run, a FAILURE or REVOKED stays, and so does the word of a later attempt;
 * - of one attempt, RETRY is the last word before its end.
 * What is no result, or no string, is replaced: an error would fail the whole batch. Each stored one is announced on
 * Celery's channel for its task; on a reply channel, all that are for it are announced at once, one a line. The entry of
 * one that is not stored is not appended.
 */
export const STORE = `${READ}${APPEND}${REMEMBER}
local function stays(key, result)
  local status, heldAttempt, heldRun, cancelled = held(key)
  if not status then return false end
  if status == 'SUCCESS' then return true end
  local word, attempt, run = read(result, string.sub(result, -80))
  if cancelled and heldRun >= run then return 2 end
  if word == 'SUCCESS' then return false end
  if heldRun ~= run then return heldRun > run end
  if status == 'FAILURE' or status == 'REVOKED' or heldAttempt > attempt then return true end
  return status == 'RETRY' and heldAttempt == attempt and word ~= 'RETRY' and word ~= 'FAILURE' and word ~= 'REVOKED'
end
local stored, replies, count, streams = {}, {}, tonumber(ARGV[2]), tonumber(ARGV[3])
for i = 1, count do
  local key, result, reply = KEYS[i], ARGV[2 * i + 2], ARGV[2 * i + 3]
  stored[i] = 1
  if result ~= '' and not redis.call('SET', key, result, 'PX', ARGV[1], 'NX') then
    local why = stays(key, result)
    if why then
      stored[i] = why == 2 and 2 or 0
    else
      redis.call('SET', key, result, 'PX', ARGV[1])
    end
  end
  if result ~= '' and stored[i] == 1 then
    redis.call('PUBLISH', key, result)
    if reply ~= '' then
      replies[reply] = replies[reply] or {}
      table.insert(replies[reply], result)
    end
  end
end
for j = 1, streams do
  local at = 2 * count + 3 * j + 1
  if stored[tonumber(ARGV[at])] == 1 then append(KEYS[count + j], tonumber(ARGV[at + 1]), ARGV[at + 2]) end
end
if #KEYS > count + streams then
  local missing, stay = {}, 0
  for i = 1, count do
    if stored[i] == 0 then stay = stay + 1 end
    if stored[i] ~= 1 then table.insert(missing, stored[i] == 2 and -i or i) end
  end
  local at = 2 * count + 3 * streams + 4
  for j = count + streams + 1, stay < count and #KEYS or 0 do
    remember(KEYS[j], table.concat(missing, ','), at)
    at = at + ${NOTED_VALUES}
  end
end
for reply, results in pairs(replies) do redis.call('PUBLISH', reply, table.concat(results, '\\n')) end
return stored`

/**
 * KEYS[1]  the key of a result
 * ARGV     its TTL in milliseconds, the state PENDING of the new run as JSON, the run, 1 when a caller sends it anew
 * Replaces the FAILURE or REVOKED of an earlier run, and that of a cancelled task that is sent anew, whatever the clocks of
 * its senders say. Returns 1 when it did.
 */
export const BEGIN = `${READ}
local status, _, run, cancelled = held(KEYS[1])
if status ~= 'FAILURE' and status ~= 'REVOKED' then return 0 end
if run >= tonumber(ARGV[3]) and not (cancelled and ARGV[4] == '1') then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[1])
return 1`

/**
 * KEYS[1]  the key of a result
 * ARGV     its TTL in milliseconds, the state REVOKED of a cancelled task as JSON, whose run is the instant of cancelling
 * Returns the status of a task that has ended, or the REVOKED that the key holds now: stored and announced, or of an earlier
 * cancelling. It counts for every run that has begun, so its run is not below that of what it replaces.
 */
export const REVOKE = `${READ}
local status, _, run, cancelled = held(KEYS[1])
if cancelled then return redis.call('GET', KEYS[1]) end
if status == 'SUCCESS' or status == 'FAILURE' or status == 'REVOKED' then return status end
local given = tonumber(string.match(ARGV[2], '"run":(%d+)}$'))
local result = string.gsub(ARGV[2], '%d+}$', string.format('%.0f}', math.max(given, run or 0)))
redis.call('SET', KEYS[1], result, 'PX', ARGV[1])
redis.call('PUBLISH', KEYS[1], result)
return result`

/** What became of a result: stored; or what the store held stays, which may be that the task was cancelled. */
export type Stored = 'stored' | 'stays' | 'cancelled'

const ANSWERS: readonly Stored[] = ['stays', 'stored', 'cancelled']

export const storedAs = (answer: number): Stored => ANSWERS[answer] ?? 'stays'

/**
 * KEYS[1]  the key of a result
 * KEYS[2]  the key of its events, left out where there are none
 * ARGV     the run and the number of the last event that was read, 0 and 0 for none; how many to read
 * Returns {run, text or '', events as {id, JSON} with the last that was read}: of the run that is the latest, from
 * its beginning when another one was read before. The text is the result's, once it is final and all events were read,
 * or where the run has no events: a large progress is not sent with each event.
 */
export const EVENTS = `${READ}
local status, _, run, cancelled = held(KEYS[1])
-- The instant of cancelling is not the run that was cancelled.
if cancelled then run = tonumber(ARGV[1]) end
local last = KEYS[2] and redis.pcall('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1) or {}
if last.err and not string.find(last.err, 'WRONGTYPE') then return last end
local current = run or 0
if last[1] then current = math.max(current, tonumber(string.match(last[1][1], '^%d+'))) end
local number = tonumber(ARGV[1]) == current and ARGV[2] or '0'
local latest, count = string.format('%.0f', current), tonumber(ARGV[3])
local events = {}
if last[1] then
  for i, entry in ipairs(redis.call('XRANGE', KEYS[2], latest .. '-' .. number, '+', 'COUNT', count)) do
    events[i] = {entry[1], entry[2][2] or ''}
  end
end
local final = status == 'SUCCESS' or status == 'FAILURE' or status == 'REVOKED'
local text = ''
if status and ((final and #events < count) or (#events == 0 and not final)) then
  text = redis.call('GET', KEYS[1])
end
return {latest, text, events}`

export interface StoreCommands {
  warrenStore(keyCount: number, ...keysAndArguments: (string | number)[]): Promise<number[]>
  warrenEvents(keyCount: number, ...keysAndArguments: (string | number)[]): Promise<EventsReply>
  warrenBegin(key: string, ttlMs: number, encoded: string, run: number, anew: 0 | 1): Promise<number>
}

/** What `warrenEvents` returns. */
export type EventsReply = readonly [run: string, text: string, events: readonly (readonly [id: string, json: string])[]]

/** What is to be added to one stream of the history: its key, and what `remember` takes. */
export interface Noted {
  readonly key: string
  readonly given: readonly (string | number)[]
}

/** What `warrenStore` is called with. */
export function storeArguments(
  writes: readonly ResultWrite[],
  ttlMs: number,
  noted: readonly Noted[] = [],
): [number, ...(string | number)[]] {
  const events = writes.flatMap(({ event }, index) => (event === undefined ? [] : [{ ...event, of: index + 1 }]))
  return [
    writes.length + events.length + noted.length,
    ...writes.map(({ key }) => key),
    ...events.map(({ key }) => key),
    ...noted.map(({ key }) => key),
    ttlMs,
    writes.length,
    events.length,
    ...writes.flatMap(({ encoded, reply }) => [encoded, reply]),
    ...events.flatMap(({ of, run, entry }) => [of, run, entry]),
    ...noted.flatMap(({ given }) => given),
  ]
}

/** The results that one announcement on a reply channel names. */
export const announced = (text: string): string[] => text.split('\n')
