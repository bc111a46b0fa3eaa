import { describe, expect, it } from 'vitest'
import { initialPrefetch, PrefetchEstimate } from '../../src/work/prefetch.js'

/** The prefetch after `count` attempts of `durationMs`, from the start. */
function settled(concurrency: number, durationMs: number, count = 50): number {
  const estimate = new PrefetchEstimate(concurrency)
  let prefetch = initialPrefetch(concurrency, 1)
  for (let i = 0; i < count; i++) {
    estimate.observe(durationMs)
    prefetch = estimate.next(prefetch, 0)
  }
  return prefetch
}

describe('The prefetch', () => {
  it.each([
    [1, 0.2, 201],
    [1, 10, 11],
    [1, 100, 2],
    [1, 5_000, 1],
    [10, 5_000, 10],
  ])(
    'of %i at a time and %d ms each becomes %i: a tenth of a second in hand, and nothing behind a long task',
    (concurrency, ms, expected) => {
      expect(settled(concurrency, ms)).toBe(expected)
    },
  )

  it('stays where it is while nothing is known, or little would change', () => {
    const estimate = new PrefetchEstimate(1)
    expect(estimate.next(2, 0)).toBe(2)
    estimate.observe(9)
    expect(estimate.next(11, 0)).toBe(11)
  })

  it('does not shrink for an attempt or two that take long', () => {
    const estimate = new PrefetchEstimate(1)
    for (let i = 0; i < 50; i++) estimate.observe(1)
    for (let i = 0; i < 3; i++) {
      estimate.observe(100)
      expect(estimate.next(101, 0)).toBe(101)
      for (let j = 0; j < 30; j++) estimate.observe(1)
      expect(estimate.next(101, 0)).toBe(101)
    }
  })

  it('shrinks when a task that was always short runs long, before it has ended', () => {
    const estimate = new PrefetchEstimate(1)
    for (let i = 0; i < 50; i++) estimate.observe(1)
    expect(estimate.next(101, 0)).toBe(101)
    expect([1, 2, 3].map(() => estimate.next(101, 1_500))).toEqual([101, 101, 1])
  })
})
