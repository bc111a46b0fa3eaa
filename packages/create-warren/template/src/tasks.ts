/** The tasks. Producer and worker import them from here, so they agree on the types. */
import { defineTask } from 'warren'
import { z } from 'zod'

export const sendWelcome = defineTask({
  name: 'email.welcome.send', // <domain>.<entity>.<action>
  input: z.object({ to: z.email(), name: z.string() }),
  output: z.object({ messageId: z.string() }),
  retry: { maxAttempts: 5, initialDelayMs: 1_000 },
  timeoutMs: 30_000,
})
