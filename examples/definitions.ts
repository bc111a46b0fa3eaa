/**
 * What an operator predefines for your own service, as RabbitMQ's definitions: the dead-letter exchange and queue of the
 * domain, and a policy for each queue. Prints JSON for RabbitMQ's HTTP API.
 */
import { defineTask, definitions, planOperator } from 'warren'
import { z } from 'zod'

const sendInvoice = defineTask({
  name: 'payment.invoice.send',
  input: z.object({ customer: z.string(), amountCents: z.number().int().positive() }),
})

const plan = planOperator('billing', [sendInvoice], {
  [sendInvoice.name]: { ttlMs: 24 * 60 * 60 * 1000, deliveryLimit: 10 },
})
console.log(JSON.stringify(definitions(plan, []), null, 2))
