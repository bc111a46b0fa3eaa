/** A handler that returns a thenable which resolves with itself: to follow it would stop the process. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask } from '../../src/index.js'
import { FakeBroker, FakeClock, queueOf, taskMessage, workerOn } from '../support/harness/index.js'

const task = defineTask({ name: 'payment.report.make', input: z.object({}), retry: { maxAttempts: 1 } })

it('is a failed attempt, and the message is dead-lettered', async () => {
  using clock = new FakeClock()
  const broker = new FakeBroker()
  const { worker } = workerOn(broker)
  const finished: unknown[] = []
  worker.on('attemptFinished', ({ outcome, error }) => finished.push({ outcome, error: String(error) }))
  worker.handle(task, () => {
    // biome-ignore lint/suspicious/noThenProperty: that is what is tested
    const self = { then: (resolve: (value: unknown) => void) => resolve(self) }
    return self
  })
  await worker.start()
  const delivery = broker.deliver(queueOf(task), taskMessage(task, {}, 'report-1'))
  await clock.advance(1_000)
  expect(finished).toEqual([{ outcome: 'deadLettered', error: expect.stringMatching(/resolves with itself/) }])
  expect(delivery.settlement).toBe('acked')
})
