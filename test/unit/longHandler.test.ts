/** A handler that takes long keeps its message, whatever the broker says of a queue that is quiet meanwhile. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask } from '../../src/index.js'
import { pause } from '../../src/timers.js'
import { FakeBroker, FakeClock, queueOf, taskMessage, workerOn } from '../support/harness/index.js'

const task = defineTask({ name: 'payment.report.make', input: z.object({}), output: z.string() })

it('is not aborted when the queue is said to have no consumers while it runs', async () => {
  using clock = new FakeClock()
  const broker = new FakeBroker()
  // What RabbitMQ answers when the queue's leader needs more than 250 ms.
  broker.answer('checkQueue', () => ({ queue: queueOf(task), messageCount: 0, consumerCount: 0 }))
  const { worker } = workerOn(broker)
  const signals: AbortSignal[] = []
  worker.handle(task, async (_input, { signal }) => {
    signals.push(signal)
    await pause(10_000, signal)
    return signal.aborted ? 'aborted' : 'done'
  })
  await worker.start()
  const delivery = broker.deliver(queueOf(task), taskMessage(task, {}, 'report-1'))
  await clock.advance(9_000)
  expect(signals.map(({ aborted }) => aborted)).toEqual([false])
  await clock.advance(2_000)
  expect(delivery.settlement).toBe('acked')
})
