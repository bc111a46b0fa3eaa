/** How the history is written: one item of a stream for all results that are stored together (`wire/historyEntry.ts`). */

/** How many results come between two looks at what is too old or too many. */
const TRIM_EVERY = 500

/** How many results are noted, the most that are kept, for how long, 1 to trim in any case; then the four texts of an item. */
export const NOTED_VALUES = 8

/**
 * Appends an item to a stream. `at`: where ARGV has its part, of as many values as NOTED_VALUES says. Its id is the store's time, and how many results were noted up to it: so a reader
 * knows how many there are, and what is too many is found without counting. What is no stream is replaced.
 *
 * Trimming goes by the whole nodes of the stream, and looks at no more than 1,000 items each time.
 */
export const REMEMBER = `
local function remember(key, excluded, at)
  local count, max, keep = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local last = redis.pcall('XREVRANGE', key, '+', '-', 'COUNT', 1)
  if last.err then
    if string.find(last.err, 'WRONGTYPE') then redis.pcall('DEL', key) end
    last = {}
  end
  local ms, number = 0, 0
  if last[1] then
    local lastMs, lastNumber = string.match(last[1][1], '^(%d+)-(%d+)$')
    ms, number = tonumber(lastMs), tonumber(lastNumber)
  end
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local total = number + count
  redis.pcall('XADD', key, string.format('%.0f-%.0f', math.max(now, ms), total), 's', ARGV[at + 4], 'n', ARGV[at + 5],
    'e', ARGV[at + 6], 't', ARGV[at + 7], 'x', excluded)
  if ARGV[at + 3] ~= '1' and last[1] and math.floor(number / ${TRIM_EVERY}) == math.floor(total / ${TRIM_EVERY}) then return end
  redis.pcall('PEXPIRE', key, ARGV[at + 2])
  redis.pcall('XTRIM', key, 'MINID', '~', string.format('%.0f', math.max(0, now - keep)))
  local from, kept = '-', nil
  for _ = 1, 50 do
    local oldest = redis.pcall('XRANGE', key, from, '+', 'COUNT', 20)
    if oldest.err then break end
    for _, item in ipairs(oldest) do
      kept = item[1]
      if tonumber(string.match(kept, '-(%d+)$')) > total - max then
        from = ''
        break
      end
      from = '(' .. kept
    end
    if from == '' or #oldest < 20 then break end
  end
  if kept then redis.pcall('XTRIM', key, 'MINID', '~', kept) end
end`
