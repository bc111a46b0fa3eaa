import { describe, expect, it } from 'vitest'
import { QUEUE_KEYS, Timeline } from '../../drills/timeline.js'

/** One confirm and one finish each 10 ms on both queues in each [from, to). */
function timelineOf(...spans: readonly (readonly [number, number])[]): Timeline {
  const timeline = new Timeline(0)
  for (const [from, to] of spans) {
    for (let at = from; at < to; at += 10) {
      for (const queue of QUEUE_KEYS) {
        timeline.count('confirmed', queue, at)
        timeline.count('finished', queue, at)
      }
    }
  }
  return timeline
}

describe("a drill's timeline", () => {
  it('finds the longest pause, also at either end', () => {
    const timeline = timelineOf([1_000, 2_000], [3_500, 4_000])
    expect(timeline.longestPause('confirmed', 'user', 1_000, 4_000)).toEqual({ ms: 1_510, at: 1_990 })
    expect(timeline.longestPause('confirmed', 'user', 1_000, 9_000)).toMatchObject({ ms: 5_010 })
    expect(timeline.longestPause('confirmed', 'user', 5_000, 6_000)).toEqual({ ms: 1_000, at: 5_000 })
  })

  it('says which rate is short', () => {
    const timeline = timelineOf([0, 2_000])
    expect(timeline.short(100, 1_500)).toBeUndefined()
    expect(timeline.short(200, 1_500)).toBe('user queue: 100 confirmed a second instead of 200')
  })

  it('counts recovery up to two seconds of normal rates', () => {
    const timeline = timelineOf([0, 1_000], [3_000, 8_000])
    const took = timeline.recoveredAfter(100, 1_000, 8_000)
    expect(took).toBeGreaterThanOrEqual(1_700)
    expect(took).toBeLessThanOrEqual(2_100)
    expect(timeline.recoveredAfter(100, 1_000, 4_500)).toBeUndefined()
    expect(timeline.recoveredAfter(100, 3_000, 8_000)).toBe(0)
  })

  it('takes instants that come a little out of order', () => {
    const timeline = new Timeline(0)
    for (const at of [5, 3, 4, 1]) timeline.count('finished', 'user', at)
    expect(timeline.instants('finished', 'user')).toEqual([1, 3, 4, 5])
  })

  it('keeps its size: events beyond the limit are counted, faults are never dropped', () => {
    const timeline = new Timeline(0)
    for (let index = 0; index < 400; index++) timeline.mark('seen', 'again', index)
    timeline.mark('fault', 'broken', 400)
    expect(timeline.marks.length).toBe(301)
    expect(timeline.dropped).toBe(100)
    expect(timeline.chart(0, 10_000_000).confirmed.user.length).toBeLessThanOrEqual(600)
  })
})
