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

/**
 * KEYS[1]  the flow
 * KEYS[2]  where the node's end is kept: its gathering, or the flow
 * ARGV     the node, the field of its end, its end
 * Notes how a node ended: in a field of its own, so that who repeats it changes nothing, and its first end stays. Returns
 * nothing when there is no such flow; else {state, '1' when its end was told, rule, the end that is kept, how many fields
 * KEYS[2] has, the node}.
 */
export const NOTE = flowScript(`
local state, told, rule, expires, node = unpack(redis.call('HMGET', KEYS[1], 'state', 'told', 'rule', 'expires', 'p' .. ARGV[1]))
if not state or not node then return {} end
redis.call('HSETNX', KEYS[2], ARGV[2], ARGV[3])
if KEYS[2] ~= KEYS[1] then redis.call('PEXPIREAT', KEYS[2], expires) end
return {state, told or '', rule, redis.call('HGET', KEYS[2], ARGV[2]), redis.call('HLEN', KEYS[2]), node}`)

/**
 * KEYS[1]  the flow
 * KEYS[2]  which of its nodes were sent
 * ARGV     the nodes
 * Notes nodes as sent. Returns the flow's state, or nothing.
 */
export const SENT = flowScript(`
local state, expires = unpack(redis.call('HMGET', KEYS[1], 'state', 'expires'))
if not state then return false end
for _, node in ipairs(ARGV) do redis.call('HSET', KEYS[2], node, 1) end
redis.call('PEXPIREAT', KEYS[2], expires)
return state`)

/**
 * KEYS[1]  the flow
 * ARGV     its state from now on, how it ended as JSON
 * Ends a flow that runs. Returns {state, how it ended, '1' when that was told}, or nothing when there is no such flow.
 */
export const END = flowScript(`
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {} end
if state == 'running' then redis.call('HSET', KEYS[1], 'state', ARGV[1], 'end', ARGV[2]) end
local held, ended, told = unpack(redis.call('HMGET', KEYS[1], 'state', 'end', 'told'))
return {held, ended or '', told or ''}`)
