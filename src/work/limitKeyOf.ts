/** Whose limit holds for a message. */
import { check } from '../task/check.js'
import type { Task } from '../task/task.js'
import type { Envelope } from '../wire/envelope.js'

/**
 * The key of a message's input; undefined for the limit of all of the task. Nothing at all where no limit holds, or the
 * input does not fit. Throws what the user's key throws.
 */
export async function limitKeyOf(
  { limit, input: schema, name }: Task,
  { input, args }: Envelope,
): Promise<{ readonly key: string | undefined } | undefined> {
  if (limit?.key === undefined) return { key: undefined }
  if (args.length > 0) return undefined
  const checked = await check(schema, input)
  if (checked.issues !== undefined) return undefined
  const key: unknown = limit.key(checked.value)
  if (key === undefined || key === null) return undefined
  if (typeof key === 'string') return { key }
  throw new TypeError(`expected the limit's key of ${name} to return a text, got: ${typeof key}`)
}
