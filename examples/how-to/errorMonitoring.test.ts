import { expect, it } from 'vitest'
import { defineTask, Reject } from 'warren'
import { testWarren } from 'warren/testing'
import { z } from 'zod'
import { type ErrorMonitor, reportErrors } from './errorMonitoring.js'

const charge = defineTask({
  name: 'payment.card.charge',
  input: z.object({ customer: z.string() }),
  retry: { maxAttempts: 2, initialDelayMs: 1_000 },
})

it('reports a retry as a warning, a dead letter as an error, and a Reject not at all', async () => {
  const reported: unknown[][] = []
  const monitor: ErrorMonitor = {
    captureException: (error, { level, tags }) => reported.push([(error as Error).message, level, tags.attempt]),
  }
  await using warren = await testWarren()
  const worker = warren.worker({ service: 'billing' }).handle(charge, ({ customer }) => {
    if (customer === 'blocked') throw new Reject('blocked')
    throw new Error('the bank does not answer')
  })
  reportErrors(worker, monitor)
  await worker.start()

  await warren.send(charge, { customer: 'ada' })
  await warren.send(charge, { customer: 'blocked' })
  await warren.advance(5_000)
  expect(reported).toEqual([
    ['the bank does not answer', 'warning', 1],
    ['the bank does not answer', 'error', 2],
  ])
})
