import { connect, defineTask } from 'warren'
import { z } from 'zod'

const welcome = defineTask({
  name: 'email.welcome.send', // <domain>.<entity>.<action>
  input: z.object({ to: z.string() }),
  output: z.object({ messageId: z.string() }),
})

const warren = await connect({
  broker: process.env.WARREN_BROKER ?? 'amqp://guest:guest@127.0.0.1:5672',
  results: process.env.WARREN_RESULTS ?? 'redis://127.0.0.1:6379',
  logger: false,
})
let fixed = false
await warren
  .worker({ service: 'mailer', declareDeadLetters: true })
  .handle(welcome, ({ to }, { id }) => {
    if (!to.includes('@') && !fixed) throw new Error(`${to} is no address`)
    return { messageId: `welcome-${id}` }
  })
  .start()

// A task that works.
const sent = await warren.send(welcome, { to: 'ada@example.com' })
console.log('done:', (await sent.result({ timeoutMs: 10_000 })).messageId)

// A task that fails, and where it went.
const failing = await warren.send(welcome, { to: 'grace' })
await failing.result({ timeoutMs: 10_000 }).catch((error) => console.log('failed:', error.message))
const letters = warren.deadLetters({ domain: 'email' })
const [letter] = await letters.show(failing.id)
console.log('dead letter:', letter.why)

// The handler is fixed, and the task is sent back.
fixed = true
await letters.redrive({ id: failing.id })
console.log('redriven:', (await failing.result({ timeoutMs: 10_000 })).messageId)

await warren.close()
