/** `lib/queue.ts`: one connection for the process, kept when the development server reloads modules. */
import { connect, type Warren } from 'warren'

const kept = globalThis as { warren?: Promise<Warren> | undefined }

export function queue(): Promise<Warren> {
  kept.warren ??= connect({
    broker: process.env.WARREN_BROKER ?? 'amqp://admin:admin@127.0.0.1:5680',
    results: process.env.WARREN_RESULTS ?? 'redis://127.0.0.1:26040',
    name: 'web',
  }).catch((error: unknown) => {
    kept.warren = undefined // the next request tries again
    throw error
  })
  return kept.warren
}
