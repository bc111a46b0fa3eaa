import { expect, it } from 'vitest'
import { runHandler, testAttempt, testWarren } from 'warren/testing'
import { report, shop } from './handlers.js'
import { makeReport } from './tasks.js'

it('adds up the orders of a month, and reports its progress', async () => {
  const attempt = testAttempt(makeReport)
  expect(await runHandler(makeReport, report, { month: '2030-01' }, attempt)).toEqual({
    month: '2030-01',
    orders: 3,
    total: 10_200,
  })
  expect(attempt.reported.at(-1)).toEqual({ done: 3, of: 3 })
})

it('is retried while the shop is down, and dead-lettered when there is nothing to report', async () => {
  await using warren = await testWarren()
  await warren.worker({ service: 'reports' }).handle(makeReport, report).start()

  shop.down = true
  const handle = await warren.send(makeReport, { month: '2030-01' })
  await warren.idle()
  expect(await handle.state()).toMatchObject({ status: 'RETRY' })
  shop.down = false
  await warren.advance(1_000)
  expect(await handle.result()).toMatchObject({ total: 10_200 })

  const empty = await warren.send(makeReport, { month: '1999-01' })
  await expect(empty.result()).rejects.toThrow('there were no orders in 1999-01')
})

it('is made on the first of each month at six in Berlin', async () => {
  await using warren = await testWarren({ now: new Date('2030-01-15T00:00:00Z') })
  const worker = warren.worker({ service: 'reports' }).handle(makeReport, report)
  const ticks: Date[] = []
  worker.on('tick', ({ tick }) => ticks.push(tick))
  await worker.start()
  await warren.schedules().upsert('monthly', {
    ...{ task: makeReport, input: { month: '2030-01' } },
    ...{ cron: '0 6 1 * *', timeZone: 'Europe/Berlin' },
  })
  await warren.advance(31 * 24 * 3_600_000)
  expect(ticks).toEqual([new Date('2030-02-01T05:00:00Z')])
})
