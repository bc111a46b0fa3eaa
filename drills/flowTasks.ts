/** What the flows of a drill are made of. */
import { defineTask } from 'warren'
import { z } from 'zod'

export const member = defineTask({
  name: 'payment.drill.member',
  input: z.object({ n: z.number() }),
  output: z.number(),
})
export const body = defineTask({
  name: 'payment.drill.body',
  input: z.object({ of: z.array(z.number()) }),
  output: z.array(z.number()),
})
