/** The handlers: plain functions, so that a test can call them. */
import { type HandlerOf, Reject } from 'warren'
import type { sendWelcome } from './tasks.js'

export const welcome: HandlerOf<typeof sendWelcome> = async ({ to, name }, attempt) => {
  // Dead-lettered at once: trying again would not help. Any other error is retried.
  if (to.endsWith('@example.invalid')) throw new Reject(`${to} cannot exist`)
  console.log(`Welcome, ${name}! (attempt ${attempt.number}, to ${to})`)
  // A task may run again when its worker dies. The id is the same each time: pass it on as an idempotency key.
  return { messageId: `welcome-${attempt.id}` }
}
