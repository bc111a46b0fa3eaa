/** The store's clock: measured, kept over jumps of this machine's, and this machine's own where the store says nothing. */
import { describe, expect, it } from 'vitest'
import { StoreClock } from '../../src/time/clock.js'
import { FakeClock } from '../support/harness/index.js'

const HOUR_MS = 3_600_000

/** A store whose clock is ahead by `aheadMs()`; its answers take `roundMs()`, all of it on one of the two ways. */
function store(clock: FakeClock, aheadMs: () => number, roundMs = (): number => 0) {
  let asked = 0
  const ask = async (): Promise<number> => {
    asked++
    const told = Date.now() + aheadMs()
    const takesMs = roundMs()
    if (takesMs > 0) await clock.advance(takesMs)
    return told
  }
  return { ask, asked: () => asked }
}

describe('The store clock', () => {
  it('is that of this machine until the store has answered, and while it does not', async () => {
    using clock = new FakeClock()
    const made = new StoreClock(() => Promise.reject(new Error('away')))
    expect(made.now()).toBe(Date.now())
    await made.measure()
    expect(made.now()).toBe(Date.now())
    await clock.advance(1_000)
    expect(made.now()).toBe(Date.now())
    made.close()
    expect(clock.timers).toBe(0)
  })

  it.each([HOUR_MS, -HOUR_MS])('is ahead by %d ms where the store is', async (aheadMs) => {
    using clock = new FakeClock()
    const made = new StoreClock(store(clock, () => aheadMs).ask)
    await made.measure()
    expect(Math.abs(made.now() - (Date.now() + aheadMs))).toBeLessThanOrEqual(2)
    expect(Math.abs(made.offsetMs - aheadMs)).toBeLessThanOrEqual(2)
    made.close()
  })

  it('is that of this machine where the difference is less than the measuring leaves open', async () => {
    using clock = new FakeClock()
    let tries = 0
    const made = new StoreClock(
      store(
        clock,
        () => 0,
        () => (tries++ === 2 ? 4 : 80),
      ).ask,
    )
    await made.measure()
    expect(made.offsetMs).toBe(0)
    expect(made.now()).toBe(Date.now())
    made.close()
  })

  it('goes on when the clock of this machine is set, and is measured anew at once', async () => {
    using clock = new FakeClock()
    const { ask, asked } = store(clock, () => 0)
    const made = new StoreClock(ask)
    await made.measure()
    const before = Date.now()
    const askedBefore = asked()
    clock.jumpTo(new Date(before + HOUR_MS))
    expect(made.now()).toBe(before)
    expect(made.now()).toBe(before)
    await clock.settle()
    expect(asked()).toBeGreaterThan(askedBefore)
    // The store is on this machine, and its clock was set, too.
    expect(Math.abs(made.now() - Date.now())).toBeLessThanOrEqual(2)
    made.close()
  })

  it('is measured again each minute, until it is closed', async () => {
    using clock = new FakeClock()
    let aheadMs = 0
    const { ask } = store(clock, () => aheadMs)
    const made = new StoreClock(ask)
    await made.measure()
    aheadMs = 5_000
    await clock.advance(59_000)
    expect(made.offsetMs).toBe(0)
    await clock.advance(1_500)
    expect(made.offsetMs).toBeGreaterThan(4_990)
    made.close()
    expect(clock.timers).toBe(0)
  })
})
