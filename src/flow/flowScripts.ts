/** The scripts of flows. Each one's keys are of one flow, and so in one slot. */
import { createHash } from 'node:crypto'
import { textOf } from '../errors/index.js'
import type { StoreConnection } from '../results/connection.js'

type FlowScript = (
  commands: StoreConnection,
  keys: readonly string[],
  ...given: readonly (string | number)[]
) => Promise<unknown>

function flowScript(lua: string): FlowScript {
  const sha = createHash('sha1').update(lua).digest('hex')
  return async (commands, keys, ...given) => {
    try {
      return await commands.evalsha(sha, keys.length, ...keys, ...given)
    } catch (error) {
      if (!textOf(error).includes('NOSCRIPT')) throw error
      return commands.eval(lua, keys.length, ...keys, ...given)
    }
  }
}

/**
 * KEYS[1]  the flow
 * ARGV     when its keys expire, in milliseconds since 1970; then fields and values, `state` among them
 * Returns 1 when the flow begins, 0 when there is one already.
 */
export const BEGIN = flowScript(`
if redis.call('HEXISTS', KEYS[1], 'state') == 1 then return 0 end
for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIREAT', KEYS[1], ARGV[1])
return 1`)

/** Appends to what happened. The number of an entry is its id, so that a reader knows where to go on. */
const APPEND = `
local function append(flow, events, expires, node, at, what, more)
  local number = redis.call('HINCRBY', flow, 'events', 1)
  redis.call('XADD', events, '0-' .. number, 'node', node, 'at', at, 'what', what, 'more', more)
  redis.call('PEXPIREAT', events, expires)
end`

/**
 * KEYS[1]  the flow
 * KEYS[2]  where the node's end is kept: its gathering, or the flow
 * KEYS[3]  what happened
 * ARGV     the node, the field of its end, its end, what is told of that, now in milliseconds since 1970
 * Notes how a node ended: in a field of its own, so that who repeats it changes nothing, and its first end stays. Returns
 * nothing when there is no such flow; else {state, '1' when its end was told, rule, the end that is kept, how many fields
 * KEYS[2] has, the node}.
 */
export const NOTE = flowScript(`${APPEND}
local state, told, rule, expires, node = unpack(redis.call('HMGET', KEYS[1], 'state', 'told', 'rule', 'expires', 'p' .. ARGV[1]))
if not state or not node then return {} end
if redis.call('HSETNX', KEYS[2], ARGV[2], ARGV[3]) == 1 then append(KEYS[1], KEYS[3], expires, ARGV[1], ARGV[5], ARGV[4], '') end
if KEYS[2] ~= KEYS[1] then redis.call('PEXPIREAT', KEYS[2], expires) end
return {state, told or '', rule, redis.call('HGET', KEYS[2], ARGV[2]), redis.call('HLEN', KEYS[2]), node}`)

/**
 * KEYS[1]  the flow
 * KEYS[2]  which of its nodes were sent
 * KEYS[3]  what happened
 * ARGV     now in milliseconds since 1970, then the nodes
 * Notes nodes as sent. Returns the flow's state, or nothing.
 */
export const SENT = flowScript(`${APPEND}
local state, expires = unpack(redis.call('HMGET', KEYS[1], 'state', 'expires'))
if not state then return false end
for i = 2, #ARGV do
  if redis.call('HSET', KEYS[2], ARGV[i], 1) == 1 then append(KEYS[1], KEYS[3], expires, ARGV[i], ARGV[1], 'sent', '') end
end
redis.call('PEXPIREAT', KEYS[2], expires)
return state`)

/**
 * KEYS[1]  the flow
 * KEYS[2]  what happened
 * ARGV     its state from now on, how it ended as JSON
 * Ends a flow that runs. Returns {state, how it ended, '1' when that was told}, or nothing when there is no such flow.
 */
export const END = flowScript(`${APPEND}
local state, expires = unpack(redis.call('HMGET', KEYS[1], 'state', 'expires'))
if not state then return {} end
if state == 'running' then
  redis.call('HSET', KEYS[1], 'state', ARGV[1], 'end', ARGV[2])
  append(KEYS[1], KEYS[2], expires, -1, 0, ARGV[1], ARGV[2])
end
local held, ended, told = unpack(redis.call('HMGET', KEYS[1], 'state', 'end', 'told'))
return {held, ended or '', told or ''}`)
