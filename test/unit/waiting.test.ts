/** What waits for its time: held a little, or in the broker; never twice, never too early, never in the way. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineTask } from '../../src/task/task.js'
import {
  closed,
  FakeBroker,
  FakeClock,
  held,
  type MessageParts,
  queueOf,
  taskMessage,
  workerOn,
} from '../support/harness/index.js'

const task = defineTask({
  name: 'payment.card.charge',
  input: z.object({}),
  retry: { maxAttempts: 2, initialDelayMs: 50 },
})
const QUEUE = queueOf(task)

let clock: FakeClock
let broker: FakeBroker
beforeEach(() => {
  clock = new FakeClock()
  broker = new FakeBroker()
})
afterEach(() => clock.stop())

const deliver = (id: string, dueInMs: number, more: MessageParts = {}) =>
  broker.deliver(
    QUEUE,
    taskMessage(task, {}, id, { ...more, properties: { headers: { 'x-warren-due': Date.now() + dueInMs } } }),
  )
const exchanges = (): string[] => broker.publications.map(({ exchange }) => exchange)

/** There are no delay levels, and the user may not declare them: nothing can be delayed. */
function noLevels(): void {
  const [missing, refused] = [
    closed(404, 'NOT_FOUND - no exchange'),
    closed(403, 'ACCESS_REFUSED - configure access refused'),
  ]
  const isLevel = (name: string): boolean => name.startsWith('warren.delay.')
  broker.answer('checkExchange', (name: string) => (isLevel(name) ? missing() : {}))
  broker.answer('assertExchange', (name: string) => (isLevel(name) ? refused() : {}))
}
function levels(): void {
  broker.answer('checkExchange')
  broker.answer('assertExchange')
}

async function started(options: { concurrency?: number; prefetch?: number } = {}) {
  const made = workerOn(broker, undefined, options)
  const handler = vi.fn()
  made.worker.handle(task, async (_input, { id }) => handler(id))
  await made.worker.start()
  return { ...made, handler }
}

describe('One that is due in', () => {
  it.each([
    ['a second and a half', 1_500, []],
    ['two seconds', 2_000, ['warren.delay.level.01']],
    ['an hour', 3_600_000, ['warren.delay.level.11']],
    ["fifty days, which is more than Node's timers take", 50 * 86_400_000, ['warren.delay.level.22']],
    ['ten years, which is more than the levels take in one go', 3_650 * 86_400_000, ['warren.delay.level.23']],
  ])(
    '%s is not run before: held, or published into the level of its highest bit and acknowledged',
    async (_what, ms, expected) => {
      const { handler } = await started()
      const delivery = deliver('later', ms)
      await clock.settle()
      expect([exchanges(), delivery.settlement]).toEqual([expected, expected.length === 0 ? undefined : 'acked'])
      await clock.advance(1_400)
      expect(handler).not.toHaveBeenCalled()
      expect(broker.publications.map(({ properties }) => properties.headers?.['x-warren-due'])).toEqual(
        expected.map(() => new Date('2026-01-01T00:00:00Z').getTime() + ms),
      )
    },
  )
})

it('One that was lost while it could not be published is not published later: RabbitMQ hands it out again', async () => {
  const { handler, consuming } = await started()
  noLevels()
  deliver('later', 60_000)
  await clock.until('the first try', () =>
    broker.asked('assertExchange').some(([name]) => name === 'warren.delay.level.00'),
  )
  consuming.lose()
  consuming.reopen()
  levels()
  await clock.advance(30_000)
  expect([exchanges(), handler.mock.calls]).toEqual([[], []])
})

it('One on a channel that is not used for new ones any more and dies is not published later, either', async () => {
  const { worker } = await started({ concurrency: 4 })
  const [old] = broker.channels.filter((each) => each.consumers(QUEUE).length > 0)
  noLevels()
  deliver('later', 600_000)
  // Messages wait and none comes: the watchdog takes another channel.
  broker.answer('checkQueue', () => ({ queue: QUEUE, messageCount: 3, consumerCount: 1 }))
  await clock.until('another channel', () =>
    broker.channels.some((each) => each !== old && each.consumers(QUEUE).length > 0),
  )
  broker.answer('checkQueue')
  old?.closeByBroker(406, 'PRECONDITION_FAILED')
  levels()
  await clock.advance(30_000)
  expect(exchanges()).toEqual([])
  expect(worker.health()).toMatchObject({ held: 0 })
})

it('A level that somebody deleted is declared again', async () => {
  await started()
  // It has the exchange, and not the queue behind it.
  broker.answer(
    'publish',
    () => 'return',
    () => 'confirm',
  )
  const delivery = deliver('later', 600_000)
  await clock.until('it is in the level', () => delivery.settlement !== undefined)
  const declared = broker.asked('assertQueue').map(([name]) => name)
  expect(declared).toEqual(
    expect.arrayContaining(['warren.delay.level.00', 'warren.delay.level.08', 'warren.delay.level.09']),
  )
  expect(new Set(exchanges())).toEqual(new Set(['warren.delay.level.09']))
})

it('One without an end of waiting holds nothing up: others run meanwhile, however many wait', async () => {
  const { handler } = await started({ concurrency: 1, prefetch: 1 })
  broker.answer('publish', held())
  for (let n = 0; n < 20; n++) deliver(`later-${n}`, 3_600_000)
  deliver('now', 0)
  await clock.until('it has run', () => handler.mock.calls.length === 1, 1_000)
  expect(handler.mock.calls).toEqual([['now']])
})
