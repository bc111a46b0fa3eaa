/** Warren and its handlers write to one pino logger, and each task that ends is one line. */
import pino from 'pino'
import { connect, defineTask } from 'warren'
import { z } from 'zod'

const log = pino({
  level: process.env.LOG_LEVEL ?? 'info',
  redact: ['card'], // never written, no matter who logs it
})

const charge = defineTask({
  name: 'payment.card.charge',
  input: z.object({ customer: z.string(), card: z.string() }),
})

const warren = await connect({
  broker: process.env.WARREN_BROKER ?? 'amqp://admin:admin@127.0.0.1:5680',
  results: process.env.WARREN_RESULTS ?? 'redis://127.0.0.1:26040',
  logger: log.child({ component: 'warren' }),
})
const worker = warren.worker({ service: 'billing' })
worker.handle(charge, ({ customer, card }, attempt) => {
  attempt.log.info({ customer, card }, 'charging') // carries the task's name, its id and the attempt's number
})
worker.on('attemptFinished', ({ id, task, number, outcome, durationMs }) =>
  log.info({ id, task, attempt: number, outcome, durationMs: Math.round(durationMs) }, 'task ended'),
)
await worker.start()

const handle = await warren.send(charge, { customer: 'ada', card: '4111' })
await handle.result({ timeoutMs: 10_000 })
await warren.close()
