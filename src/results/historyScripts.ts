/** The scripts by which the history is read, and written where it is written by itself. */
import { keyScript } from './keyScript.js'
import { REMEMBER } from './remember.js'
import { READ } from './script.js'

/**
 * KEYS[1]  the history
 * ARGV     which results were not stored; then what \`remember\` takes
 */
export const noteScript = keyScript(`${REMEMBER}
remember(KEYS[1], ARGV[1], 2)`)

/**
 * KEYS[1]  the history
 * ARGV     the newest id, the oldest id; how many characters to look at, and to return; a set of states or '', a text in
 *          lower case that an error must contain or ''; then texts: one that the entries must contain or '', and those
 *          that the names must contain
 * Returns {where to continue or '', the id up to which it looked or '', the items that may match}: the newest first.
 */
export const scanScript = keyScript(`
local limit, wanted, states, said = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6]
local function matches(fields)
  if states ~= '' and not string.find(fields[2], '[' .. states .. ']') then return false end
  for i = 8, #ARGV do
    if not string.find(fields[4], ARGV[i], 1, true) then return false end
  end
  if said ~= '' and not string.find(string.lower(fields[8]), said, 1, true) then return false end
  return ARGV[7] == '' or string.find(fields[6], ARGV[7], 1, true) ~= nil
end
local found, from, looked, last, ended = {}, ARGV[1], 0, '', false
while looked < limit and wanted > 0 and not ended do
  local items = redis.call('XREVRANGE', KEYS[1], from, ARGV[2], 'COUNT', 20)
  for _, item in ipairs(items) do
    local fields = item[2]
    looked = looked + 100
    last = item[1]
    if #fields == 10 then
      local size = #fields[4] + #fields[6] + #fields[8]
      looked = looked + size
      if matches(fields) then
        table.insert(found, item)
        wanted = wanted - size
      end
    end
  end
  ended = #items < 20
  from = '(' .. last
end
return {ended and '' or from, last, found}`)

/**
 * KEYS[1]  the key of a result
 * Returns {status or '', attempt, run, 1 when it is the REVOKED of a cancelled task}, without reading what a handler returned.
 */
export const stateScript = keyScript(`${READ}
local status, attempt, run, cancelled = held(KEYS[1])
return {status or '', string.format('%.0f', attempt or 0), string.format('%.0f', run or 0), cancelled and 1 or 0}`)
