/**
 * Where a message waits and when it runs, for every length of delay, with a clock that is moved. The broker is fake: a
 * level hands a message on when its seconds are over, as its headers say.
 */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask } from '../../src/index.js'
import { defaults } from '../../src/options.js'
import { Delayed, dueIn } from '../../src/send/delayed.js'
import { Producer } from '../../src/send/producer.js'
import { localClock } from '../../src/time/clock.js'
import { MAX_DELAY_SECONDS } from '../../src/time/delayLevels.js'
import { DelayRoutes, HOLD_MS } from '../../src/time/delayRoutes.js'
import { PASSES, WAITS } from '../../src/wire/delayedKey.js'
import { encode } from '../../src/wire/envelope.js'
import { commandsExchange, delayHeader, headers } from '../../src/wire/names.js'
import { FakeBroker, FakeClock, type Publication, queueOf, workerOn } from '../support/harness/index.js'

const task = defineTask({ name: 'payment.table.row', input: z.object({}) })
const YEAR_MS = 365.25 * 24 * 3_600_000

/** How long a publication stays in the levels, in milliseconds. */
function secondsIn({ exchange, properties }: Publication): number {
  const first = Number(/^warren\.delay\.level\.(\d\d)$/.exec(exchange)?.[1])
  const levels = Array.from({ length: first + 1 }, (_, level) => level)
  const says = (level: number): unknown => properties.headers?.[delayHeader(level)]
  expect(levels.every((level) => [WAITS, PASSES].includes(String(says(level))))).toBe(true)
  // Published at the highest level that it waits in.
  expect([says(first), says(first + 1)]).toEqual([WAITS, undefined])
  return levels.reduce((sum, level) => sum + (says(level) === WAITS ? 2 ** level : 0), 0) * 1_000
}

interface Row {
  readonly delayMs: number
  /** Where it is published first, and how often it passes through the levels. */
  readonly first: string
  readonly passes: number
}

const rows: readonly Row[] = [
  { delayMs: -5_000, first: 'payment.commands', passes: 0 },
  { delayMs: 0, first: 'payment.commands', passes: 0 },
  { delayMs: 1, first: 'payment.commands', passes: 0 },
  { delayMs: 999, first: 'payment.commands', passes: 0 },
  { delayMs: 1_000, first: 'payment.commands', passes: 0 },
  { delayMs: HOLD_MS - 1, first: 'payment.commands', passes: 0 },
  { delayMs: HOLD_MS, first: 'warren.delay.level.00', passes: 1 },
  { delayMs: 2_000, first: 'warren.delay.level.01', passes: 1 },
  { delayMs: 3_600_000, first: 'warren.delay.level.11', passes: 1 },
  { delayMs: MAX_DELAY_SECONDS * 1_000, first: 'warren.delay.level.23', passes: 1 },
  // The second that is left is held by the worker.
  { delayMs: 2 ** 24 * 1_000, first: 'warren.delay.level.23', passes: 1 },
  { delayMs: 10 * YEAR_MS, first: 'warren.delay.level.23', passes: 19 },
]

it.each(rows)('$delayMs ms: waits first in $first, and runs on time', async (row) => {
  using clock = new FakeClock()
  const broker = new FakeBroker()
  const { worker, publishing } = workerOn(broker)
  const ranAt: number[] = []
  worker.handle(task, () => {
    ranAt.push(Date.now())
  })
  const starting = worker.start()
  await clock.settle()
  await starting
  const connection = publishing.asConnection()
  const producer = new Producer(connection, defaults)
  const delayed = new Delayed({ producer, routes: new DelayRoutes(connection), clock: localClock })
  await clock.settle()

  const startedAt = Date.now()
  const at = new Date(startedAt + row.delayMs)
  const due = dueIn({ at }, { now: () => startedAt })
  expect(due).toEqual(row.delayMs > 0 ? at : undefined)
  const message = encode({ task: task.name, id: 'id', input: {} })
  if (due !== undefined) message.properties.headers[headers.due] = due.getTime()
  const straight = { id: 'id', exchange: commandsExchange('payment'), routingKey: task.name, message }
  const publication = { ...straight, confirmTimeoutMs: 1_000 }
  const sending = due === undefined ? producer.publish(publication) : delayed.publish(publication, due)
  await clock.settle()
  await sending
  expect(broker.publications[0]?.exchange).toBe(row.first)

  let passes = 0
  for (let seen = 0; ranAt.length === 0; ) {
    const next = broker.publications[seen]
    if (next === undefined) {
      await clock.advance(50)
      continue
    }
    seen++
    if (next.exchange.startsWith('warren.delay.')) {
      passes++
      const waitMs = secondsIn(next)
      // Nothing is held meanwhile, wherever it waits.
      expect(worker.health().held).toBe(0)
      clock.jumpTo(new Date(Date.now() + waitMs))
    }
    const { content, properties } = next
    broker.deliver(queueOf(task), { content, properties })
    await clock.settle()
  }
  expect(passes).toBe(row.passes)
  expect(ranAt).toHaveLength(1)
  expect((ranAt[0] ?? 0) - startedAt).toBeGreaterThanOrEqual(row.delayMs)
  expect((ranAt[0] ?? 0) - startedAt).toBeLessThanOrEqual(Math.max(0, row.delayMs) + HOLD_MS)

  const stopping = worker.stop()
  await clock.advance(1_000)
  await stopping
  producer.close()
})
