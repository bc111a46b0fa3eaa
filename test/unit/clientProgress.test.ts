import { describe, expect, it } from 'vitest'
import { bar, Progress } from '../../demo/progress.js'

function stream(isTTY: boolean) {
  const written: string[] = []
  return { written, isTTY, columns: 80, write: (text: string) => written.push(text) }
}

describe('progress', () => {
  it('redraws one line on a terminal, at most ten times a second', () => {
    let now = 0
    const terminal = stream(true)
    const progress = new Progress(terminal, { now: () => now })
    for (let done = 0; done <= 1000; done++, now += 1) progress.update({ label: 'Sent', done, total: 1000 })
    expect(terminal.written.length).toBe(11)
    for (const text of terminal.written) {
      expect(text.startsWith('\r\x1b[2K')).toBe(true)
      expect(text).not.toContain('\n')
    }
    expect(terminal.written.at(-1)).toContain('100 % 1,000 of 1,000')
    progress.clear()
    expect(terminal.written.at(-1)).toBe('\r\x1b[2K')
  })

  it('writes a plain line every five seconds elsewhere, none for short work, and no line twice', () => {
    let now = 0
    const log = stream(false)
    const progress = new Progress(log, { now: () => now })
    for (now = 0; now < 4_900; now += 100) progress.update({ label: 'Sent', done: now, total: 1e6 })
    expect(log.written).toEqual([])
    for (; now <= 12_000; now += 100) progress.update({ label: 'Sent', done: 5000, total: 1e6, note: '2 failed' })
    expect(log.written).toEqual(['Sent: 5,000 of 1,000,000, 2 failed\n'])
    progress.clear()
    expect(log.written.length).toBe(1)
  })

  it.each([1, 10, 20, 40, 80, 200])('never fills a terminal of %i columns', (columns) => {
    for (const total of [undefined, 0, 1_000_000_000]) {
      const text = bar({ label: 'Finished', done: 123_456, total, note: '12 failed' }, columns)
      expect(text.length).toBeLessThanOrEqual(Math.max(1, columns - 1))
    }
  })
})
