/**
 * How results are written: by scripts, so that what a key holds is looked at and replaced in one step. A script never
 * reads what a handler returned: a result's text starts with its status and ends with its attempt and run
 * (`wire/resultFormat.ts`), and only these ends are looked at.
 */

/** A result, and who is to hear of it. */
export interface ResultWrite {
  readonly key: string
  /** As JSON, on one line. */
  readonly encoded: string
  /** The reply channel of the producer that sent the task, or ''. */
  readonly reply: string
}

/**
 * What a text says: its status, attempt and run, or nothing when it is no result. Of a long one that a key holds only
 * both ends are read. A result that another Celery wrote
 * has neither attempt nor run, and counts as attempt 0 of run 0. Celery looks at neither of them: what a Python worker
 * writes replaces what is there, unless that is a SUCCESS, so its result after a redrive is seen.
 */
const READ = `
local function read(head, tail)
  local status = string.match(head, '^{"status": ?"([^"]*)"')
  if not status then return end
  local attempt, run = string.match(tail, '"attempt":(%d+),"run":(%d+)}$')
  return status, tonumber(attempt or string.match(tail, '"attempt":(%d+)}$') or 0), tonumber(run or 0)
end
local function held(key)
  local head = redis.pcall('GETRANGE', key, 0, 999)
  if type(head) ~= 'string' then return end
  return read(head, #head < 1000 and string.sub(head, -80) or redis.call('GETRANGE', key, -80, -1))
end`

/**
 * KEYS     the keys of results, of which there may be many
 * ARGV[1]  their TTL in milliseconds; then for each key the result as JSON, the reply channel or ''
 * Returns for each key 1 when stored, 0 when what the key held stays:
 * - a SUCCESS stays, and anything else gives way to SUCCESS, of whatever run: the work is done, and not to be done again;
 * - for the rest, a later run replaces what an earlier one left, and not the other way round;
 * - within one run, a FAILURE or REVOKED stays, and so does the word of a later attempt;
 * - of one attempt, RETRY is the last word before its end.
 * What is no result, or no string, is replaced: an error would fail the whole batch. Each stored one is announced on
 * Celery's channel for its task; on a reply channel, all that are for it are announced at once, one a line.
 */
export const STORE = `${READ}
local function stays(key, result)
  local status, heldAttempt, heldRun = held(key)
  if not status then return false end
  if status == 'SUCCESS' then return true end
  local word, attempt, run = read(result, string.sub(result, -80))
  if word == 'SUCCESS' then return false end
  if heldRun ~= run then return heldRun > run end
  if status == 'FAILURE' or status == 'REVOKED' or heldAttempt > attempt then return true end
  return status == 'RETRY' and heldAttempt == attempt and word ~= 'RETRY' and word ~= 'FAILURE' and word ~= 'REVOKED'
end
local stored, replies = {}, {}
for i, key in ipairs(KEYS) do
  local result, reply = ARGV[2 * i], ARGV[2 * i + 1]
  stored[i] = 1
  if not redis.call('SET', key, result, 'PX', ARGV[1], 'NX') then
    if stays(key, result) then
      stored[i] = 0
    else
      redis.call('SET', key, result, 'PX', ARGV[1])
    end
  end
  if stored[i] == 1 then
    redis.call('PUBLISH', key, result)
    if reply ~= '' then
      replies[reply] = replies[reply] or {}
      table.insert(replies[reply], result)
    end
  end
end
for reply, results in pairs(replies) do redis.call('PUBLISH', reply, table.concat(results, '\\n')) end
return stored`

/**
 * KEYS[1]  the key of a result
 * ARGV     its TTL in milliseconds, the state PENDING of the new run as JSON, the run
 * Replaces the FAILURE or REVOKED of an earlier run. Returns 1 when it did.
 */
export const BEGIN = `${READ}
local status, _, run = held(KEYS[1])
if (status ~= 'FAILURE' and status ~= 'REVOKED') or run >= tonumber(ARGV[3]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[1])
return 1`

export interface StoreCommands {
  warrenStore(keyCount: number, ...keysAndArguments: (string | number)[]): Promise<number[]>
  warrenBegin(key: string, ttlMs: number, encoded: string, run: number): Promise<number>
}

/** What `warrenStore` is called with. */
export const storeArguments = (writes: readonly ResultWrite[], ttlMs: number): [number, ...(string | number)[]] => [
  writes.length,
  ...writes.map(({ key }) => key),
  ttlMs,
  ...writes.flatMap(({ encoded, reply }) => [encoded, reply]),
]

/** The results that one announcement on a reply channel names. */
export const announced = (text: string): string[] => text.split('\n')
