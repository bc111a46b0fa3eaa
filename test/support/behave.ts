/** One fixture task whose input picks the behaviour, and what its handler has seen. */
import { z } from 'zod'
import {
  type AttemptContext,
  defineTask,
  type QueueType,
  Reject,
  type RetryPolicy,
  type Task,
} from '../../src/index.js'

const input = z.object({
  /** What each attempt does, the first first; the last one is repeated. */
  does: z.array(z.enum(['return', 'throw', 'reject', 'hang', 'hangDeaf', 'odd'])).min(1),
  note: z.string().optional(),
})

export type Behaviour = z.infer<typeof input>
export type BehaveTask = Task<Behaviour, Behaviour, { number: number }>

export function behaveTask(
  name: string,
  options: { type?: QueueType; retry?: Partial<RetryPolicy>; timeoutMs?: number } = {},
): BehaveTask {
  const { type = 'quorum', ...rest } = options
  return defineTask({ name, input, output: z.object({ number: z.number() }), queue: { type }, ...rest })
}

export class HandlerError extends Error {
  override readonly name = 'HandlerError'
}

export interface Seen {
  readonly id: string
  readonly number: number
  readonly redelivered: boolean
}

/** A handler that does as it is told, and notes each run in `seen`. */
export const behave =
  (seen: Seen[]) =>
  async ({ does }: Behaviour, attempt: AttemptContext): Promise<{ number: number }> => {
    const { id, number, redelivered, signal } = attempt
    seen.push({ id, number, redelivered })
    switch (does[Math.min(number, does.length) - 1]) {
      case 'return':
        return { number }
      case 'throw':
        throw new HandlerError(`attempt ${number} was told to fail`)
      case 'reject':
        throw new Reject('told to reject')
      case 'odd':
        // Strangers' code throws strange things.
        throw Object.create(null)
      case 'hang':
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      default:
        return new Promise(() => undefined)
    }
  }
