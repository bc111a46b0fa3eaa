/** The drills of limits and order can fail: what their verdicts make of runs that break what is promised. */
import { describe, expect, it } from 'vitest'
import { type CrewRun, CrewRuns } from '../../drills/crewRuns.js'
import { bySecond, freedAfter, most, mostAtOnce, unfenced } from '../../drills/limitVerdict.js'
import { outOfOrder } from '../../drills/orderVerdict.js'

let count = 0
const run = (beganAt: number, endedAt: number | undefined, more: Partial<CrewRun> = {}): CrewRun => ({
  ...{
    id: String(++count),
    task: 't',
    key: 'k',
    n: count,
    worker: 'w',
    fence: count,
    sentAt: 0,
    beganAt,
    endedAt,
    finished: true,
  },
  ...more,
})
const rules = { leaseMs: 4_000, standstills: [] }

describe('How many began', () => {
  it('in any so many milliseconds, and in each second', () => {
    expect(most([0, 500, 999, 1_000, 1_400, 1_499], 1_000)).toBe(5)
    expect(most([], 1_000)).toBe(0)
    expect(bySecond([0, 500, 999, 1_000, 2_500], 0, 3_000)).toEqual([3, 1, 1])
    expect(bySecond([0, 500], 0, 2_900)).toEqual([2, 0])
  })
})

describe('How many ran at a time', () => {
  it('one that ends as another begins is not beside it', () => {
    expect(mostAtOnce([run(0, 10), run(10, 20), run(10, 30)], rules)).toBe(2)
    expect(mostAtOnce([run(0, undefined), run(10, 20), run(15, 16)], rules)).toBe(3)
  })

  it('a frozen holder counts until its lease may be over, a killed one until its end', () => {
    const frozen = { ...rules, standstills: [{ worker: 'f', from: 100, to: 9_000 }] }
    const late = run(0, 9_001, { worker: 'f' })
    expect(mostAtOnce([late, run(5_000, 6_000)], frozen)).toBe(1)
    expect(mostAtOnce([late, run(1_000, 6_000)], frozen)).toBe(2)
    // What it began after it went on is a run as any.
    expect(mostAtOnce([run(9_002, 9_100, { worker: 'f' }), run(9_000, 9_500)], frozen)).toBe(2)
    const killed = { ...rules, standstills: [{ worker: 'f', from: 100 }] }
    expect(mostAtOnce([run(0, 100, { worker: 'f' }), run(5_000, 6_000)], killed)).toBe(1)
  })

  it('a place is free again once others hold all of them', () => {
    const dead = run(0, 100, { worker: 'f' })
    const standstill = { worker: 'f', from: 100 }
    const others = [run(0, 5_000), run(50, 9_000)]
    expect(freedAfter([dead, ...others], standstill, 3)).toBe(Number.POSITIVE_INFINITY)
    expect(freedAfter([dead, ...others, run(4_100, 9_000)], standstill, 3)).toBe(4_000)
    expect(freedAfter(others, standstill, 3)).toBeUndefined()
  })

  it('a late holder has a smaller number than those after it', () => {
    const late = run(0, 9_000, { fence: 5 })
    expect(unfenced([late, run(5_000, 6_000, { fence: 6 })], 1)).toEqual([])
    expect(unfenced([late, run(5_000, 6_000, { fence: 4 })], 1)).toEqual([late])
    // Two that took their places before it may begin after it.
    expect(unfenced([late, run(1, 6_000, { fence: 3 }), run(2, 6_000, { fence: 4 })], 3)).toEqual([])
  })
})

describe('Out of order', () => {
  const at = (n: number, beganAt: number, more: Partial<CrewRun> = {}) => run(beganAt, beganAt + 5, { n, ...more })
  const cut = { finished: false }
  const none = new Set<number>()

  it('is one that began before the one before it had ended, or after a later one', () => {
    expect(outOfOrder([at(0, 0), at(1, 10), at(2, 20)], none)).toEqual([])
    expect(outOfOrder([at(0, 0), at(1, 3)], none).length).toBe(1)
    expect(outOfOrder([at(0, 0), at(2, 20)], none).length).toBe(1)
    expect(outOfOrder([at(0, 0), at(1, 10), at(0, 20)], none).length).toBe(1)
    expect(outOfOrder([at(0, 0, cut), at(1, 10)], none).length).toBe(1)
  })

  it('is not one that is run again, nor one after a message that does not count', () => {
    expect(outOfOrder([at(0, 0, cut), at(0, 10), at(1, 20, cut), at(1, 30), at(2, 40)], none)).toEqual([])
    expect(outOfOrder([at(0, 0), at(1, 10, cut), at(1, 20, cut), at(2, 30)], new Set([1]))).toEqual([])
    expect(outOfOrder([at(0, 0), at(2, 30)], new Set([1]))).toEqual([])
  })
})

it('a run of a killed worker ends with it', () => {
  const runs = new CrewRuns()
  const began = { event: 'began', task: 't', key: 'k', n: 0, fence: undefined, sentAt: 0 } as const
  runs.take('a', { ...began, id: '1', at: 1 })
  runs.take('a', { ...began, id: '2', at: 2 })
  runs.take('a', { event: 'ended', id: '1', at: 3 })
  runs.take('a', { event: 'delayed', id: '3', key: 'k', waitMs: 4.2 })
  runs.gone('a', 10)
  runs.gone('b', 20)
  expect(runs.of('t').map(({ endedAt }) => endedAt)).toEqual([3, 10])
  expect(runs.of('t').map(({ finished }) => finished)).toEqual([true, false])
  expect([...runs.delays]).toEqual([['3', ['a, of k, for 4 ms']]])
})
