/** Scripts on a single key, so that they run in a cluster, too. Sent whole only where the store does not know them yet. */
import { createHash } from 'node:crypto'
import { textOf } from '../errors/index.js'
import type { StoreConnection } from './connection.js'

/** A script with KEYS[1] and any arguments. To be called within `Results.ask`. */
export type KeyScript = (
  commands: StoreConnection,
  key: string,
  ...given: readonly (string | number)[]
) => Promise<unknown>

export function keyScript(lua: string): KeyScript {
  const sha = createHash('sha1').update(lua).digest('hex')
  return async (commands, key, ...given) => {
    try {
      return await commands.evalsha(sha, 1, key, ...given)
    } catch (error) {
      if (!textOf(error).includes('NOSCRIPT')) throw error
      return commands.eval(lua, 1, key, ...given)
    }
  }
}
