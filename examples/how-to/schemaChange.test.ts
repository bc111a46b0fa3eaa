import { expect, it } from 'vitest'
import { defineTask } from 'warren'
import { testWarren } from 'warren/testing'
import { z } from 'zod'

const name = 'shop.order.ship'
const output = z.object({ to: z.string() })

/** As it was: its messages are in queues, in delays, among the dead letters. */
const before = defineTask({ name, output, input: z.object({ order: z.string(), address: z.string() }) })

/** As it becomes: the address has parts. It still takes the old form, and turns it into the new one. */
const Address = z.object({ street: z.string(), city: z.string() })
const after = defineTask({
  name,
  output,
  input: z.object({
    order: z.string(),
    address: z.union([
      Address,
      z.string().transform((line) => {
        const [street = '', city = ''] = line.split(', ')
        return { street, city }
      }),
    ]),
    gift: z.boolean().default(false), // new, so it has a default
  }),
})

it('a new worker takes messages of old and of new senders', async () => {
  await using warren = await testWarren()
  const worker = warren.worker({ service: 'shipping' })
  worker.handle(after, ({ address, gift }) => ({
    to: `${address.street} in ${address.city}${gift ? ', wrapped' : ''}`,
  }))
  await worker.start()

  const old = await warren.send(before, { order: '1', address: '5 High Street, York' })
  expect(await old.result()).toEqual({ to: '5 High Street in York' })
  const recent = await warren.send(after, { order: '2', address: { street: '9 Mill Lane', city: 'Bath' }, gift: true })
  expect(await recent.result()).toEqual({ to: '9 Mill Lane in Bath, wrapped' })
})

it('an old worker dead-letters the new form, and a redrive after the upgrade runs it', async () => {
  await using warren = await testWarren()
  const old = warren.worker({ service: 'shipping' }).handle(before, ({ address }) => ({ to: address }))
  await old.start()
  const handle = await warren.send(after, { order: '3', address: { street: '9 Mill Lane', city: 'Bath' } })
  await expect(handle.result()).rejects.toThrow('does not fit its schema')
  await old.stop()

  await warren
    .worker({ service: 'shipping' })
    .handle(after, ({ address }) => ({ to: address.city }))
    .start()
  await warren.deadLetters({ domain: 'shop' }).redrive({ reason: 'invalid-input' })
  expect(await handle.result()).toEqual({ to: 'Bath' })
})
