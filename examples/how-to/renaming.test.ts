import { expect, it } from 'vitest'
import { defineTask, type HandlerOf } from 'warren'
import { testWarren } from 'warren/testing'
import { z } from 'zod'

const shape = { input: z.object({ order: z.string() }), output: z.object({ invoice: z.string() }) }
const createInvoice = defineTask({ name: 'payment.invoice.create', ...shape }) // the old name
const issueInvoice = defineTask({ name: 'billing.invoice.issue', ...shape }) // the new one

const issue: HandlerOf<typeof issueInvoice> = ({ order }, { id }) => ({ invoice: `${order}-${id.slice(0, 4)}` })

it('one handler serves both names while messages of both are under way', async () => {
  await using warren = await testWarren()
  const worker = warren.worker({ service: 'invoices' }).handle(createInvoice, issue).handle(issueInvoice, issue)
  await worker.start()

  const old = await warren.send(createInvoice, { order: 'A' }, { delayMs: 3_600_000 }) // still waits when the name changes
  const recent = await warren.send(issueInvoice, { order: 'B' })
  expect(await recent.result()).toMatchObject({ invoice: expect.stringMatching(/^B-/) })
  await warren.advance(3_600_000)
  expect(await old.result()).toMatchObject({ invoice: expect.stringMatching(/^A-/) })
})
