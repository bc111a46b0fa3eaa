/** What acts are given. */
import type { Context } from 'hono'
import { checkOptions, is } from 'warren'
import { jsonOf } from '../guard.js'

/** For acts that need no words: an empty object. Throws `OptionsError`. */
export async function requireEmpty(context: Context, where: string): Promise<void> {
  checkOptions(where, await jsonOf(context), {})
}

const MAX_REASON = 300
const isReason = (value: unknown) =>
  is.text(value) === undefined && String(value).length <= MAX_REASON
    ? undefined
    : `a text of at most ${MAX_REASON} characters`

/** For acts that may be given a reason. Throws `OptionsError`. */
export async function reasonIn(context: Context, where: string): Promise<string | undefined> {
  const { reason } = checkOptions(where, await jsonOf(context), { reason: isReason }) as { reason?: string }
  return reason
}
