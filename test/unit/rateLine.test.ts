/** The line of a rate, simulated: what runs keeps to the rate, whatever becomes of messages, and nobody waits for nothing. */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bySecond, most } from '../../drills/limitVerdict.js'
import { eachMs, LimitKeys } from '../../src/control/limitKeys.js'
import type { Rate } from '../../src/task/limit.js'
import { TestClock } from '../../src/testing/clock.js'
import { memoryResults } from '../../src/testing/storeConnection.js'

const FROM = 1_700_000_000_000
const OWNER = { task: 'user.line.task', key: 'k' }
/** What clocks and timers may differ by: see `limitScripts.ts`. */
const JITTER_MS = 50

interface Message {
  /** How long after its start it comes. */
  readonly lateMs: number
  at: number
}

async function line(rate: Rate) {
  const clock = new TestClock(FROM)
  const results = memoryResults(clock, randomUUID())
  await results.open()
  const keys = new LimitKeys(results, '/')
  const started: number[] = []
  let asks = 0
  /** Lets each message come at its start, and again whenever it is told to wait. */
  const run = async (messages: readonly Message[], untilMs: number): Promise<void> => {
    const waiting = messages.map((message) => ({ message, when: message.at + message.lateMs }))
    for (;;) {
      waiting.sort((a, b) => a.when - b.when)
      const next = waiting.shift()
      if (next === undefined || next.when > FROM + untilMs) return
      clock.moveTo(Math.ceil(next.when))
      asks++
      const start = await keys.start(OWNER, rate, { drop: false, slot: next.message.at })
      if (start.kind === 'go') started.push(clock.now())
      else if (start.kind === 'wait') {
        next.message.at = start.at
        waiting.push({ message: next.message, when: start.at })
      }
    }
  }
  return { clock, keys, results, started, run, asks: () => asks }
}

const reserveAll = async (keys: LimitKeys, rate: Rate, messages: readonly Message[]): Promise<void> => {
  const starts = await keys.reserve(OWNER, rate, messages.length, 1_000)
  messages.forEach((message, index) => {
    message.at = starts[index] as number
  })
}

const many = (count: number, lateMs = (_n: number): number => 0): Message[] =>
  Array.from({ length: count }, (_, n) => ({ lateMs: lateMs(n), at: 0 }))

describe('A line of reserved starts', () => {
  const rate: Rate = { count: 10, perMs: 1_000, burst: 1 }

  it('runs each message at its start, with one question', async () => {
    const { keys, results, started, run, asks } = await line(rate)
    const messages = many(200)
    await reserveAll(keys, rate, messages)
    expect(messages.map(({ at }) => at - FROM).slice(0, 4)).toEqual([0, 100, 200, 300])
    await run(messages, 60_000)
    expect(started.length).toBe(200)
    expect(asks()).toBe(200)
    expect((started.at(-1) as number) - FROM).toBe(19_900)
    results.close()
  })

  it('keeps its rate where all come a little late', async () => {
    const { keys, results, started, run } = await line(rate)
    const messages = many(200, (n) => (n * 7) % 25)
    await reserveAll(keys, rate, messages)
    await run(messages, 60_000)
    expect(started.length).toBe(200)
    expect((started.at(-1) as number) - FROM).toBeLessThan(20_000)
    results.close()
  })

  it('a few that come too late wait for gaps, and what comes after an outage takes other starts', async () => {
    const { keys, results, started, run, asks } = await line(rate)
    const messages = many(400, (n) => (n < 200 ? 20_000 - n * 100 : 0))
    await reserveAll(keys, rate, messages)
    await run(messages, 120_000)
    expect(started.length).toBe(400)
    expect(most(started, 1_000)).toBeLessThanOrEqual(11)
    expect((started.at(-1) as number) - FROM).toBeLessThan(62_000)
    // They do not come by again and again.
    expect(asks()).toBeLessThan(400 * 5)
    results.close()
  })

  it('what was not sent gives its starts back', async () => {
    const { keys, results } = await line(rate)
    await reserveAll(keys, rate, many(100))
    await keys.giveBack(OWNER, rate, 99)
    const [next] = await keys.reserve(OWNER, rate, 1, 1_000)
    expect((next as number) - FROM).toBe(100)
    // Never before what is over already, and not of another rate.
    await keys.giveBack(OWNER, rate, 50)
    await keys.giveBack(OWNER, { ...rate, count: 20 }, 50)
    const [again] = await keys.reserve(OWNER, rate, 1, 1_000)
    expect((again as number) - FROM).toBe(0)
    results.close()
  })

  it('after a change of the rate, new starts are of the new one', async () => {
    const { keys, results } = await line(rate)
    await reserveAll(keys, rate, many(10))
    const slower = { ...rate, count: 1 }
    const starts = await keys.reserve(OWNER, slower, 3, 1_000)
    expect(starts.map((at) => at - FROM)).toEqual([0, 1_000, 2_000])
    results.close()
  })

  it('never runs more than the rate, whatever is lost, late, doubled, or comes without a start', async () => {
    const anyMessage = fc.record({
      lateMs: fc.oneof(fc.constant(0), fc.integer({ min: -800, max: 300 }), fc.integer({ min: 0, max: 20_000 })),
      lost: fc.boolean(),
      copies: fc.integer({ min: 1, max: 2 }),
    })
    const anyRate = fc.record({
      count: fc.integer({ min: 1, max: 20 }),
      perMs: fc.constantFrom(500, 1_000, 3_000),
      burst: fc.integer({ min: 1, max: 5 }),
    })
    await fc.assert(
      fc.asyncProperty(anyRate, fc.array(anyMessage, { minLength: 1, maxLength: 40 }), async (any, given) => {
        const { keys, results, started, run } = await line(any)
        const messages = given.map((each) => ({ ...each, at: 0 }))
        await reserveAll(keys, any, messages)
        // A copy has the same start, as of a message that was published again.
        const come = messages.flatMap((each) =>
          each.lost ? [] : Array.from({ length: each.copies }, () => ({ ...each })),
        )
        await run(come, 10 * 60 * 1_000)
        expect(started.length).toBe(come.length)
        const each = eachMs(any)
        for (const ms of [each, 1_000, 5_000]) {
          const allowed = Math.floor((ms + JITTER_MS) / each) + any.burst
          expect(most(started, ms)).toBeLessThanOrEqual(allowed)
        }
        results.close()
      }),
      { numRuns: 60 },
    )
  })
})

describe('Leased starts', () => {
  const rate: Rate = { count: 100, perMs: 1_000, burst: 1 }

  /** Asks each 20 ms, except where `stands` says that nobody does; `missed` says of each start whether it goes unused. */
  async function lease(untilMs: number, stands: (ms: number) => boolean, missed: (n: number) => boolean) {
    const { clock, keys, results } = await line(rate)
    const started: number[] = []
    let [n, unused] = [0, 0]
    for (let ms = 0; ms < untilMs; ms += 20) {
      clock.moveTo(FROM + ms)
      if (stands(ms)) continue
      const { startsMs } = await keys.lease(OWNER, rate, 10, unused)
      unused = 0
      for (const inMs of startsMs) {
        if (missed(n++)) unused++
        else started.push(ms + inMs)
      }
    }
    results.close()
    return started
  }
  it('are a little closer together until what was missed is made up for, and never more', async () => {
    const [stands, missed] = [(ms: number) => ms % 5_000 < 90, (n: number) => n % 60 === 7]
    const started = await lease(30_000, stands, missed)
    expect(started.length).toBeGreaterThan(2_970)
    expect(started.length).toBeLessThanOrEqual(3_055)
    expect(most(started, 1_000)).toBeLessThanOrEqual(105)
    expect(Math.min(...bySecond(started, 0, 30_000))).toBeGreaterThanOrEqual(90)
  })

  it('after a rest keep to the rate', async () => {
    const started = await lease(
      30_000,
      (ms) => ms > 5_000 && ms < 15_000,
      () => false,
    )
    expect(most(started, 1_000)).toBeLessThanOrEqual(105)
    expect(started.filter((at) => at >= 15_000).length).toBeLessThanOrEqual(1_555)
  })
})
