/** How results are written: by one script, so that what a key holds is looked at and replaced in one step. */

/** A result, and who is to hear of it. */
export interface ResultWrite {
  readonly key: string
  /** As JSON, on one line. */
  readonly encoded: string
  /** The reply channel of the producer that sent the task, or ''. */
  readonly reply: string
  /** Which attempt speaks, from 1. */
  readonly attempt: number
}

/**
 * KEYS     the keys of results, of which there may be many
 * ARGV[1]  their TTL in milliseconds; then for each key the result as JSON, the reply channel or '', and its attempt
 * Returns for each key 1 when stored, 0 when what the key held stays: a SUCCESS, or the word of a later attempt against
 * anything but a SUCCESS. What is no result, or no string, is replaced: an error would be one for all. Each stored one
 * is announced on Celery's channel for its task; on a reply channel, all that are for it are announced at once, one a
 * line.
 */
export const STORE = `
local stored, replies = {}, {}
for i, key in ipairs(KEYS) do
  local result, reply, attempt = ARGV[3 * i - 1], ARGV[3 * i], tonumber(ARGV[3 * i + 1])
  stored[i] = 1
  if not redis.call('SET', key, result, 'PX', ARGV[1], 'NX') then
    local held = redis.pcall('GET', key)
    local ok, meta = pcall(cjson.decode, type(held) == 'string' and held or '')
    if ok and type(meta) == 'table' then
      local later = type(meta.attempt) == 'number' and meta.attempt > attempt
      if meta.status == 'SUCCESS' or (later and not string.find(result, '{"status":"SUCCESS"', 1, true)) then
        stored[i] = 0
      end
    end
    if stored[i] == 1 then redis.call('SET', key, result, 'PX', ARGV[1]) end
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

export interface StoreCommands {
  warrenStore(keyCount: number, ...keysAndArguments: (string | number)[]): Promise<number[]>
}

/** What `warrenStore` is called with. */
export const storeArguments = (writes: readonly ResultWrite[], ttlMs: number): [number, ...(string | number)[]] => [
  writes.length,
  ...writes.map(({ key }) => key),
  ttlMs,
  ...writes.flatMap(({ encoded, reply, attempt }) => [encoded, reply, attempt]),
]

/** The results that one announcement on a reply channel tells of. */
export const announced = (text: string): string[] => text.split('\n')
