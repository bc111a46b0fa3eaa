/** The tasks, shared by the programs that send them and the worker that handles them. */
import { defineTask } from 'warren'
import { z } from 'zod'

const Report = z.object({ month: z.string(), orders: z.number(), total: z.number() })

export const makeReport = defineTask({
  name: 'shop.report.make', // <domain>.<entity>.<action>
  input: z.object({ month: z.string().regex(/^\d{4}-\d{2}$/) }),
  output: Report,
  retry: { maxAttempts: 4, initialDelayMs: 1_000 },
  timeoutMs: 60_000,
})

export const sumUp = defineTask({
  name: 'shop.year.sum',
  input: z.object({ year: z.string(), reports: z.array(Report) }),
  output: z.object({ year: z.string(), total: z.number() }),
})
