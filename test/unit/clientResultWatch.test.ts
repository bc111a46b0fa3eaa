import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { IdLine } from '../../demo/idLine.js'
import { ResultWatch } from '../../demo/resultWatch.js'

/** A store of results that a test fills by hand, with handles that find what is there already. */
class Store {
  readonly waiting = new Map<string, { resolve: () => void; reject: (error: Error) => void }>()
  readonly stored = new Set<string>()
  most = 0

  result = (id: string, signal: AbortSignal): Promise<void> =>
    new Promise<void>((resolve, reject) => {
      if (this.stored.has(id)) return resolve()
      this.waiting.set(id, { resolve, reject })
      this.most = Math.max(this.most, this.waiting.size)
      signal.addEventListener('abort', () => {
        this.waiting.delete(id)
        reject(new Error('aborted'))
      })
    })

  succeed(id: string): void {
    this.stored.add(id)
    this.waiting.get(id)?.resolve()
    this.waiting.delete(id)
  }
}

const ids = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`)

describe('the line of ids', () => {
  it('gives back what it got, in order, over many chunks', () => {
    const line = new IdLine()
    const expected: string[] = []
    for (let round = 0; round < 5; round++) {
      for (let each = 0; each < 5_000; each++) {
        const id = randomUUID()
        expected.push(id)
        line.push({ id, addedAt: each })
      }
      for (let each = 0; each < 3_000; each++) expect(line.shift()?.id).toBe(expected.shift())
    }
    expect(line.size).toBe(10_000)
    while (line.size > 0) expect(line.shift()?.id).toBe(expected.shift())
    expect(line.shift()).toBeUndefined()
    line.push({ id: randomUUID(), addedAt: 1_700_000_000_123 })
    expect(line.shift()?.addedAt).toBe(1_700_000_000_123)
    expect(() => line.push({ id: 'no-uuid', addedAt: 0 })).toThrow('Expected a UUID')
  })
})

describe('the watch over results', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('counts every result once, with a bounded window', async () => {
    const store = new Store()
    const watch = new ResultWatch({ result: store.result, windowSize: 10 })
    for (const id of ids(500)) watch.add(id)
    const done = watch.done()
    for (const id of ids(500)) {
      store.succeed(id)
      await vi.advanceTimersByTimeAsync(0)
    }
    await done
    expect(watch).toMatchObject({ succeeded: 500, failed: 0, unanswered: 0, open: 0, ended: 500 })
    expect(store.most).toBeLessThanOrEqual(10)
  })

  it('finds results behind a window that never answers', async () => {
    const store = new Store()
    const watch = new ResultWatch({ result: store.result, windowSize: 10, turnAfterMs: 1_000 })
    for (const id of ids(100)) watch.add(id)
    for (const id of ids(100).slice(50)) store.succeed(id)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(watch).toMatchObject({ succeeded: 50, open: 50 })
    for (const id of ids(50)) store.succeed(id)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(watch).toMatchObject({ succeeded: 100, open: 0 })
  })

  it('reports failures and goes on', async () => {
    const store = new Store()
    const errors: unknown[] = []
    const watch = new ResultWatch({ result: store.result, windowSize: 2, onError: (error) => errors.push(error) })
    for (const id of ids(4)) watch.add(id)
    store.waiting.get(ids(1)[0] ?? '')?.reject(new Error('no money'))
    for (const id of ids(4).slice(1)) store.succeed(id)
    await vi.advanceTimersByTimeAsync(0)
    await watch.done()
    expect(watch).toMatchObject({ succeeded: 3, failed: 1 })
    expect(errors).toEqual([new Error('no money')])
  })

  it('gives up results that are overdue, and the oldest beyond its limit', async () => {
    const store = new Store()
    const watch = new ResultWatch({
      result: store.result,
      windowSize: 10,
      giveUpMs: 5_000,
      turnAfterMs: 1_000,
      maxOpen: 80,
    })
    for (const id of ids(100)) watch.add(id)
    expect(watch).toMatchObject({ unanswered: 20, open: 80 })
    await vi.advanceTimersByTimeAsync(30_000)
    expect(watch).toMatchObject({ unanswered: 100, open: 0, succeeded: 0 })
    await watch.done()
  })

  it('stops on close and keeps no timer', async () => {
    const store = new Store()
    const watch = new ResultWatch({ result: store.result })
    for (const id of ids(3)) watch.add(id)
    watch.close()
    await vi.advanceTimersByTimeAsync(0)
    expect(watch).toMatchObject({ open: 3, ended: 0 })
    expect(vi.getTimerCount()).toBe(0)
  })
})
