/** The tasks, shared by the web server and the worker. */
import { defineTask } from 'warren'
import { z } from 'zod'

export const makeReport = defineTask({
  name: 'shop.report.make',
  input: z.object({ month: z.string().regex(/^\d{4}-\d{2}$/) }),
  output: z.object({ total: z.number() }),
})
