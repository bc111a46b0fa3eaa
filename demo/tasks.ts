/** The demo's two tasks: one for each domain, one for each kind of queue. */

import { defineTask } from 'warren'
import { z } from 'zod'

/** The demo's consumer application; the last part of its queues' names. */
export const SERVICE = 'demo-service'

/** With `WARREN_USER_QUEUE_TYPE=quorum` (what `quorum.env` sets) the user queue is also a quorum queue. */
const userQueueType = process.env.WARREN_USER_QUEUE_TYPE === 'quorum' ? 'quorum' : 'classic'

/** How long the handler works, in seconds. */
const seconds = z.number().min(0).max(3600)

/** Only for workers in drills (`WARREN_DRILL=1`): the task kills the worker process that runs it. */
const fault = z.enum(['exit']).optional()

export const createAccount = defineTask({
  name: 'user.account.create',
  input: z.object({ name: z.string().min(1), email: z.email(), seconds, fault }),
  output: z.object({ accountId: z.string(), worker: z.string() }),
  queue: { type: userQueueType },
})

export const createInvoice = defineTask({
  name: 'payment.invoice.create',
  input: z.object({ customer: z.string().min(1), amountCents: z.number().int().positive(), seconds, fault }),
  output: z.object({ invoiceId: z.string(), worker: z.string() }),
  queue: { type: 'quorum' },
})

export const tasks = [createAccount, createInvoice] as const
