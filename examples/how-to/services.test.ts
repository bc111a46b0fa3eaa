import { expect, it } from 'vitest'
import { defineTask, type HandlerOf } from 'warren'
import { testWarren } from 'warren/testing'
import { z } from 'zod'

// The package that all services share: definitions, and no handlers.
const orderPlaced = defineTask({ name: 'shop.order.placed', input: z.object({ order: z.string(), cents: z.number() }) })
const chargeCard = defineTask({
  name: 'payment.card.charge',
  input: z.object({ order: z.string(), cents: z.number() }),
  output: z.object({ receipt: z.string() }),
})

it('an event goes to every service that handles it, a command to the one', async () => {
  await using warren = await testWarren()
  const seen: string[] = []
  const note =
    (service: string): HandlerOf<typeof orderPlaced> =>
    ({ order }) =>
      void seen.push(`${service}: ${order}`)

  // Three services; in production, three programs. Two of them handle the same task.
  const mailer = warren.worker({ service: 'mailer' }).handle(orderPlaced, note('mailer'))
  const stock = warren.worker({ service: 'stock' }).handle(orderPlaced, note('stock'))
  const payments = warren.worker({ service: 'payments' }).handle(chargeCard, ({ order }) => ({ receipt: `R-${order}` }))
  for (const worker of [mailer, stock, payments]) await worker.start()

  await warren.send(orderPlaced, { order: 'A', cents: 500 })
  const charge = await warren.send(chargeCard, { order: 'A', cents: 500 })
  expect(await charge.result()).toEqual({ receipt: 'R-A' })
  await warren.idle()
  expect(seen.sort()).toEqual(['mailer: A', 'stock: A'])
})
