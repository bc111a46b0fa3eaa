import { connect, defineTask } from 'warren'
import { z } from 'zod'

const sendInvoice = defineTask({
  name: 'payment.invoice.send',
  input: z.object({ customer: z.string(), amountCents: z.number().int().positive() }),
  output: z.object({ invoiceId: z.string() }),
  retry: { maxAttempts: 3, initialDelayMs: 200 },
  timeoutMs: 30_000,
})

const warren = await connect({
  broker: process.env.WARREN_BROKER ?? 'amqp://admin:admin@127.0.0.1:5680',
  results: process.env.WARREN_RESULTS ?? 'redis://127.0.0.1:26040',
})

// The worker: usually a process of its own.
const worker = warren.worker({ service: 'billing', concurrency: 10 })
worker.handle(sendInvoice, async ({ customer }, attempt) => {
  console.log(`attempt ${attempt.number} for ${customer}`)
  return { invoiceId: `INV-${attempt.id}` } // the same id in every attempt: use it as an idempotency key
})
await worker.start()

// The producer.
const handle = await warren.send(sendInvoice, { customer: 'c1', amountCents: 1200 }) // resolves on the broker's confirm
const { invoiceId } = await handle.result({ timeoutMs: 10_000 })
console.log(invoiceId)

await warren.close() // finishes what the worker holds, then closes
