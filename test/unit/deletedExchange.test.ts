/** An exchange that somebody deletes under a running worker: RabbitMQ tells nobody, and messages have no way in. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask } from '../../src/index.js'
import { closed, FakeBroker, FakeClock, workerOn } from '../support/harness/index.js'

const task = defineTask({ name: 'payment.report.make', input: z.object({}) })
const EXCHANGE = 'payment.commands'

it('is declared again, once its queue was quiet for a moment', async () => {
  using clock = new FakeClock()
  const broker = new FakeBroker()
  let exists = false
  broker.answer('assertExchange', (exchange: string) => {
    exists ||= exchange === EXCHANGE
    return { exchange }
  })
  const missing = closed(404, `NOT_FOUND - no exchange '${EXCHANGE}' in vhost '/'`)
  broker.answer('checkExchange', (...args: never[]) => (args[0] === EXCHANGE && !exists ? missing(...args) : {}))
  const { worker } = workerOn(broker)
  worker.handle(task, () => undefined)
  await worker.start()
  await clock.advance(10_000)
  expect(worker.health().queues.map(({ state }) => state)).toEqual(['consuming'])
  exists = false
  await clock.advance(20_000)
  expect(exists).toBe(true)
  expect(worker.health().queues.map(({ state }) => state)).toEqual(['consuming'])
})
