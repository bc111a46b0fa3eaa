/** What one visit of a schedule's token does: catch-up, overlap, pause, jitter, and clocks that are moved. */
import { expect, it } from 'vitest'
import type { ScheduleRules } from '../../src/time/definition.js'
import { Rhythm } from '../../src/time/rhythm.js'
import { tickId } from '../../src/time/tickId.js'
import { decide, type Order, type Progress, visitAt } from '../../src/time/visit.js'

const MINUTE = 60_000
const NOON = Date.parse('2026-11-26T12:00Z')
/** Minutes after noon. */
const at = (minutes: number): number => NOON + minutes * MINUTE

const RULES: ScheduleRules = {
  ...{ everyMs: MINUTE, timeZone: 'UTC', overlap: 'allow', catchUp: 'latest' },
  ...{ catchUpWindowMs: 24 * 60 * MINUTE, jitterMs: 0 },
}

interface Given {
  readonly order?: Order
  readonly progress?: Progress
  readonly paused?: boolean
  readonly ended?: boolean
}

function visit(rules: Partial<ScheduleRules>, now: number, given: Given = {}) {
  const all = { ...RULES, ...rules }
  const {
    order = { tick: at(1), hop: 0 },
    progress = { ran: null, waiting: null },
    paused = false,
    ended = true,
  } = given
  return decide(new Rhythm({ ...all, id: 's' }), all, { order, progress, paused, now, ended: async () => ended })
}

/** Visits until the next one is not due, and returns what was sent, in minutes after noon. */
async function catchUp(rules: Partial<ScheduleRules>, now: number): Promise<(number | string)[]> {
  const sent: (number | string)[] = []
  let [order, progress]: [Order, Progress] = [
    { tick: at(1), hop: 0 },
    { ran: null, waiting: null },
  ]
  for (let count = 0; count < 20 && order.tick <= now; count++) {
    const decision = await visit(rules, now, { order, progress })
    if (decision.send !== null) sent.push((decision.send - NOON) / MINUTE)
    if (decision.skip !== null) sent.push(decision.skip)
    if (decision.next === null) break
    expect(decision.next.tick).toBeGreaterThan(order.tick)
    ;[order, progress] = [decision.next, decision]
  }
  expect(order.tick).toBeGreaterThan(now)
  return sent
}

it.each([
  ['on time', 'none', undefined, 1, [1]],
  ['on time', 'latest', undefined, 1, [1]],
  ['on time', 'all', undefined, 1, [1]],
  // All workers away over three ticks; they come back half a minute after the third.
  ['three missed', 'none', undefined, 3.5, ['missed']],
  ['three missed, back in time for the third', 'none', undefined, 3.1, [3]],
  ['three missed', 'latest', undefined, 3.5, [3]],
  ['three missed', 'all', undefined, 3.5, [1, 2, 3]],
  ['three missed, two of them within the window', 'all', 2 * MINUTE, 3.5, [2, 3]],
  ['all beyond the window', 'all', 10_000, 3.5, ['missed']],
  ['beyond the window', 'latest', 10_000, 3.5, ['missed']],
] as const)('%s, catchUp %s, window %s: at minute %s', async (_, rule, window, now, expected) => {
  const rules = { catchUp: rule, ...(window === undefined ? {} : { catchUpWindowMs: window }) }
  expect(await catchUp(rules, at(now))).toEqual(expected)
})

it('a clock that jumps an hour ahead: as if no worker had been there', async () => {
  expect(await catchUp({ catchUp: 'latest' }, at(61))).toEqual([61])
  expect(await catchUp({ catchUp: 'none' }, at(61.5))).toEqual(['missed'])
  expect((await catchUp({ catchUp: 'all' }, at(12))).length).toBe(12)
})

it('a clock that is put back an hour: nothing is sent until the tick is due, and nothing twice', async () => {
  const decision = await visit({}, at(-59))
  expect(decision).toMatchObject({ send: null, skip: null, next: { tick: at(1), hop: 1 } })
})

it('a token that is early goes on to the same tick, with another hop', async () => {
  const yearly = { everyMs: undefined, cron: '0 0 29 2 *' }
  const order = { tick: Date.parse('2028-02-29T00:00Z'), hop: 7 }
  expect(await visit(yearly, NOON, { order })).toMatchObject({ send: null, next: { tick: order.tick, hop: 8 } })
  const rhythm = new Rhythm({ ...RULES, ...yearly, id: 's' })
  expect(visitAt(rhythm, order, null, NOON)).toBe(NOON + 24 * 60 * MINUTE)
})

it('while it is paused, ticks are skipped, and not caught up afterwards', async () => {
  expect(await visit({ catchUp: 'all' }, at(3.5), { paused: true })).toMatchObject({
    ...{ send: null, skip: 'paused', next: { tick: at(4), hop: 0 } },
  })
})

const ran = { tick: at(0), at: at(0) }
it.each([
  ['allow', true, { send: at(1), skip: null, waiting: null }],
  ['allow', false, { send: at(1), skip: null, waiting: null }],
  ['skip', true, { send: at(1), skip: null, waiting: null }],
  ['skip', false, { send: null, skip: 'overlap', waiting: null }],
  ['queueOne', true, { send: at(1), skip: null, waiting: null }],
  ['queueOne', false, { send: null, skip: null, waiting: at(1) }],
] as const)('overlap %s, the one before has ended: %s', async (overlap, ended, expected) => {
  const decision = await visit({ overlap }, at(1), { progress: { ran, waiting: null }, ended })
  expect(decision).toMatchObject({ ...expected, next: { tick: at(2), hop: 0 } })
})

it('one that waits is sent once the one before has ended, and later ones are skipped until then', async () => {
  const progress = { ran, waiting: at(1) }
  const order = { tick: at(2), hop: 0 }
  const early = await visit({ overlap: 'queueOne' }, at(1.5), { order, progress, ended: false })
  expect(early).toMatchObject({ send: null, skip: null, waiting: at(1), next: { tick: at(2), hop: 1 } })
  const due = await visit({ overlap: 'queueOne' }, at(2), { order, progress, ended: false })
  expect(due).toMatchObject({ send: null, skip: 'overlap', waiting: at(1), next: { tick: at(3), hop: 0 } })
  const ended = await visit({ overlap: 'queueOne' }, at(2), { order, progress })
  expect(ended).toMatchObject({
    send: at(1),
    ran: { tick: at(1), at: at(2) },
    waiting: null,
    next: { tick: at(2), hop: 1 },
  })
  const paused = await visit({ overlap: 'queueOne' }, at(1.5), { order, progress, paused: true })
  expect(paused).toMatchObject({ send: null, waiting: at(1) })
})

it('jitter is the same for everybody, less than its limit, and another for each tick', async () => {
  const rhythm = new Rhythm({ ...RULES, jitterMs: 30_000, id: 's' })
  const late = Array.from({ length: 100 }, (_, minute) => rhythm.dueAt(at(minute)) - at(minute))
  expect(Math.min(...late)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...late)).toBeLessThan(30_000)
  expect(new Set(late).size).toBeGreaterThan(90)
  expect(rhythm.dueAt(at(7))).toBe(new Rhythm({ ...RULES, jitterMs: 30_000, id: 's' }).dueAt(at(7)))
  // A tick whose jitter is not over is not due, and the one before it is the newest.
  const now = rhythm.dueAt(at(5)) - 1
  expect(rhythm.newest(at(1), now)).toBe(at(4))
})

it('the newest tick is found after a second and after fifty years', () => {
  const cron = (expression: string) => new Rhythm({ ...RULES, everyMs: undefined, cron: expression, id: 's' })
  expect(cron('* * * * *').newest(at(1), at(9.5))).toBe(at(9))
  expect(cron('0 0 29 2 *').newest(Date.parse('2028-02-29T00:00Z'), Date.parse('2078-06-01T00:00Z'))).toBe(
    Date.parse('2076-02-29T00:00Z'),
  )
  expect(cron('* * * * *').newest(at(1), Date.parse('2076-11-26T12:00:30Z'))).toBe(Date.parse('2076-11-26T12:00Z'))
  expect(new Rhythm({ ...RULES, id: 's' }).newest(at(1), at(1_000_000.5))).toBe(at(1_000_000))
})

it('an interval counts from startAt, and has no tick before', () => {
  const rhythm = new Rhythm({ ...RULES, everyMs: 7 * MINUTE, startAt: at(3), id: 's' })
  expect([rhythm.next(0), rhythm.next(at(3)), rhythm.next(at(12))]).toEqual([at(3), at(10), at(17)])
})

it('ids are UUIDs of version 5, the same for everybody, and differ by service, schedule and tick', () => {
  const ids = [tickId('a', 's', 1), tickId('a', 's', 2), tickId('a', 't', 1), tickId('b', 's', 1)]
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(new Set(ids).size).toBe(4)
  expect(tickId('a', 's', 1)).toBe(ids[0])
})
