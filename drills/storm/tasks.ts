/** The work of a storm: two tasks, one for each kind of queue, whose input picks what the handler does. */
import { defineTask } from 'warren'
import { z } from 'zod'

const input = z.object({
  /**
   * - `ok`: works for `ms` and succeeds
   * - `retry`: fails at its first two attempts
   * - `failUntil`: fails before the instant `until`, and so is dead-lettered until it is sent back
   * - `exit`: kills every worker process it meets
   */
  does: z.enum(['ok', 'retry', 'failUntil', 'exit']),
  ms: z.number(),
  until: z.number().optional(),
})
/** Names one run: a result that changes is a run that overwrote another. */
const output = z.object({ run: z.string() })

const retry = { maxAttempts: 3, backoff: 'fixed', initialDelayMs: 300 } as const

export const stormTasks = {
  user: defineTask({ name: 'user.storm.work', input, output, queue: { type: 'classic' }, retry }),
  payment: defineTask({ name: 'payment.storm.work', input, output, queue: { type: 'quorum' }, retry }),
} as const
