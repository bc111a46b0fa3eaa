import { expect, it } from 'vitest'
import { defineTask, Reject, type Warren } from 'warren'
import { expectNotSent, expectSent, runHandler, testAttempt, testWarren } from 'warren/testing'
import { z } from 'zod'

// What is tested: a task, its handler, and a function that sends it.
const charge = defineTask({
  name: 'payment.card.charge',
  input: z.object({ customer: z.string(), cents: z.number().int().positive() }),
  output: z.object({ receipt: z.string() }),
  retry: { maxAttempts: 3, backoff: 'fixed', initialDelayMs: 60_000 },
})

const bank = { down: false }

async function handleCharge({ customer, cents }: { customer: string; cents: number }, { id }: { id: string }) {
  if (customer === 'blocked') throw new Reject('this customer is blocked')
  if (bank.down) throw new Error('the bank does not answer')
  return { receipt: `${id}:${cents}` } // the task's id is the idempotency key
}

async function placeOrder(warren: Warren, customer: string, cents: number) {
  if (cents > 0) await warren.send(charge, { customer, cents }, { tags: [`customer-${customer}`] })
}

it('a handler alone: checked input, checked output, a ready-made attempt', async () => {
  const attempt = testAttempt(charge, { id: 'task-1', number: 2 })
  expect(await runHandler(charge, handleCharge, { customer: 'ada', cents: 100 }, attempt)).toEqual({
    receipt: 'task-1:100',
  })
  await expect(runHandler(charge, handleCharge, { customer: 'blocked', cents: 100 })).rejects.toThrow(Reject)
  await expect(runHandler(charge, handleCharge, { customer: 'ada', cents: -1 })).rejects.toThrow('cents')
})

it('code that sends: what was sent, without a worker', async () => {
  await using warren = await testWarren({ services: { billing: [charge] } })
  await placeOrder(warren, 'ada', 0)
  expectNotSent(warren, charge)
  await placeOrder(warren, 'ada', 500)
  expect(expectSent(warren, charge, { cents: 500 }).tags).toEqual(['customer-ada'])
})

it('all of it: a retry after a minute of the test, then success', async () => {
  await using warren = await testWarren()
  await warren.worker({ service: 'billing' }).handle(charge, handleCharge).start()

  bank.down = true
  const handle = await warren.send(charge, { customer: 'ada', cents: 500 })
  await warren.idle()
  expect(await handle.state()).toMatchObject({ status: 'RETRY', attempt: 1 })

  bank.down = false
  await warren.advance(60_000) // takes no time
  expect(await handle.result()).toEqual({ receipt: `${handle.id}:500` })
})

it('a dead letter, and its redrive', async () => {
  await using warren = await testWarren()
  await warren.worker({ service: 'billing' }).handle(charge, handleCharge).start()
  const letters = warren.deadLetters({ domain: 'payment' })

  const handle = await warren.send(charge, { customer: 'blocked', cents: 500 })
  await expect(handle.result()).rejects.toThrow('this customer is blocked')
  const [letter] = await letters.show(handle.id)
  expect(letter?.why).toBe('rejected by its handler on attempt 1 with Reject: this customer is blocked')
  expect(await letters.redrive({ id: handle.id })).toMatchObject({ done: 1 })
})
