/** What waits for a place, simulated: it comes by neither in a loop nor so seldom that places stay empty. */
import { randomUUID } from 'node:crypto'
import { expect, it } from 'vitest'
import { LimitKeys } from '../../src/control/limitKeys.js'
import { TestClock } from '../../src/testing/clock.js'
import { memoryResults } from '../../src/testing/storeConnection.js'
import { HOLD_MS } from '../../src/time/delayRoutes.js'

const FROM = 1_700_000_000_000
const MESSAGES = 120
const PLACES = 3
const WORK_MS = 250
const OWNER = { task: 'user.places.task', key: 'k' }

/** Runs all messages. `workMs`: how long one takes that begins after so many milliseconds. */
async function run(workMs: (n: number, afterMs: number) => number) {
  const clock = new TestClock(FROM)
  const results = memoryResults(clock, randomUUID())
  await results.open()
  const keys = new LimitKeys(results, '/')
  const steps: { when: number; n: number; place?: string }[] = []
  for (let n = 0; n < MESSAGES; n++) steps.push({ when: FROM, n })
  let asks = 0
  for (;;) {
    steps.sort((a, b) => a.when - b.when)
    const next = steps.shift()
    if (next === undefined) break
    clock.moveTo(Math.ceil(next.when))
    const { n, place } = next
    if (place !== undefined) {
      await keys.leave(OWNER, place, true)
      continue
    }
    asks++
    const entry = await keys.enter(OWNER, { count: PLACES, leaseMs: 60_000 }, { id: String(n), sent: 1 }, 'wait')
    if (entry.kind === 'go') {
      steps.push({ when: clock.now() + workMs(n, clock.now() - FROM), n, place: entry.place })
    } else if (entry.kind === 'wait') {
      // As `limitGate.ts` has it.
      steps.push({ when: clock.now() + (entry.ms <= HOLD_MS ? entry.ms : Math.max(entry.ms, 2 * HOLD_MS)), n })
    }
  }
  results.close()
  return { tookMs: clock.now() - FROM, asks }
}

const IDEAL_MS = (MESSAGES * WORK_MS) / PLACES

it('places are seldom empty', async () => {
  const { tookMs, asks } = await run(() => WORK_MS)
  expect(tookMs).toBeLessThan(1.8 * IDEAL_MS)
  expect(asks).toBeLessThan(6 * MESSAGES)
})

it('one that takes long does not keep the others from the places beside it', async () => {
  const { tookMs, asks } = await run((n) => (n === 20 ? 40 * WORK_MS : WORK_MS))
  expect(tookMs).toBeLessThan(2.5 * IDEAL_MS)
  expect(asks).toBeLessThan(8 * MESSAGES)
})

it('after a standstill of all places, those that wait are soon there', async () => {
  const stallMs = 20_000
  const { tookMs, asks } = await run((_, afterMs) =>
    afterMs >= 2_000 && afterMs < 2_000 + WORK_MS ? stallMs : WORK_MS,
  )
  expect(tookMs).toBeLessThan(stallMs + 4 * IDEAL_MS)
  expect(asks).toBeLessThan(12 * MESSAGES)
})
