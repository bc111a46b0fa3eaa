/** What a dead letter's handler would be given: Celery's envelope is `[args, kwargs, embed]`. Pure. */

/** Larger ones are shown as they are. */
const MAX_BYTES = 256 * 1024

/** Undefined for what is no envelope in JSON. */
export function inputOf(content: Buffer): unknown {
  if (content.length > MAX_BYTES) return undefined
  let body: unknown
  try {
    body = JSON.parse(content.toString('utf8'))
  } catch {
    return undefined
  }
  if (!Array.isArray(body) || body.length !== 3) return undefined
  const [args, kwargs] = body as unknown[]
  if (!Array.isArray(args) || typeof kwargs !== 'object' || kwargs === null) return undefined
  if (args.length === 0) return kwargs
  return Object.keys(kwargs).length === 0 && args.length === 1 ? args[0] : { args, kwargs }
}
