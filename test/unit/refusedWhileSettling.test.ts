/** A message that waits because RabbitMQ refuses its retry: whoever looks after the worker has to hear of it. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask } from '../../src/index.js'
import { closed, FakeBroker, FakeClock, queueOf, taskMessage, workerOn } from '../support/harness/index.js'

const task = defineTask({
  name: 'payment.report.make',
  input: z.object({}),
  retry: { maxAttempts: 2, initialDelayMs: 50 },
})
const REFUSED = "ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/' refused for user 'shop'"

it('is a problem in the health for as long as it waits, and the worker is not ready', async () => {
  using clock = new FakeClock()
  const broker = new FakeBroker()
  const { worker } = workerOn(broker)
  worker.handle(task, () => {
    throw new Error('no')
  })
  await worker.start()
  expect(worker.health()).toMatchObject({ ready: true, problems: [] })
  broker.answer('publish', closed(403, REFUSED))
  const delivery = broker.deliver(queueOf(task), taskMessage(task, {}, 'report-1'))
  await clock.advance(5_000)
  expect(worker.health()).toMatchObject({ ready: false, held: 1, problems: [expect.stringContaining(REFUSED)] })
  broker.answer('publish', () => 'confirm')
  await clock.advance(10_000)
  expect(delivery.settlement).toBe('acked')
  expect(worker.health()).toMatchObject({ ready: true, held: 0, problems: [] })
})
