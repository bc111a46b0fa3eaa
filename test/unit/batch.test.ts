import { describe, expect, it } from 'vitest'
import { Batch } from '../../src/results/batch.js'
import { announced, storeArguments } from '../../src/results/script.js'

describe('What is asked for in one turn of the event loop is done together', () => {
  it('each with its own answer', async () => {
    const done: number[][] = []
    const batch = new Batch(
      async (items: readonly number[]) => {
        done.push([...items])
        return items.map((item) => item * 10)
      },
      { count: 100 },
    )
    expect(await Promise.all([1, 2, 3].map((item) => batch.add(item)))).toEqual([10, 20, 30])
    expect(await batch.add(4)).toBe(40)
    expect(done).toEqual([[1, 2, 3], [4]])
  })

  it('within limits of number and size; what is larger goes alone', async () => {
    const done: string[][] = []
    const batch = new Batch(
      async (items: readonly string[]) => {
        done.push([...items])
        return items
      },
      { count: 3, size: { of: (item) => item.length, max: 5 } },
    )
    await Promise.all(['a', 'b', 'c', 'd', 'eeeee', 'ffffffff', 'g'].map((item) => batch.add(item)))
    expect(done).toEqual([['a', 'b', 'c'], ['d'], ['eeeee'], ['ffffffff'], ['g']])
  })

  it('and a failure is that of each, not of the next', async () => {
    let calls = 0
    const batch = new Batch(
      async (items: readonly number[]) => {
        if (++calls === 1) throw new Error('the store is away')
        return items
      },
      { count: 100 },
    )
    const failed = await Promise.allSettled([batch.add(1), batch.add(2)])
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(await batch.add(3)).toBe(3)
  })
})

describe('What is asked for while an answer is awaited may wait for it', () => {
  const FOR_EVER_MS = 2 ** 30
  /** Each call is answered when the test says so. */
  const answering = (hold: { ms: number; count: number }) => {
    const done: number[][] = []
    const answers: (() => void)[] = []
    const act = async (items: readonly number[]) => {
      done.push([...items])
      await new Promise<void>((resolve) => answers.push(resolve))
      return items
    }
    return { done, answer: () => answers.shift()?.(), batch: new Batch(act, { count: 100, hold }) }
  }
  const aFewTurns = async () => {
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
  }

  it('and goes together, at once when it has come', async () => {
    const { done, answer, batch } = answering({ ms: FOR_EVER_MS, count: 100 })
    const first = batch.add(1)
    await aFewTurns()
    const more = [batch.add(2), batch.add(3)]
    await aFewTurns()
    expect(done).toEqual([[1]])
    answer()
    expect(await first).toBe(1)
    await aFewTurns()
    expect(done).toEqual([[1], [2, 3]])
    answer()
    expect(await Promise.all(more)).toEqual([2, 3])
    void batch.add(4)
    await aFewTurns()
    expect(done).toEqual([[1], [2, 3], [4]])
  })

  it('no longer than until there are enough, or one is urgent', async () => {
    const { done, batch } = answering({ ms: FOR_EVER_MS, count: 3 })
    void batch.add(1)
    await aFewTurns()
    for (const item of [2, 3, 4]) void batch.add(item)
    await aFewTurns()
    void batch.add(5)
    await aFewTurns()
    void batch.add(6, true)
    await aFewTurns()
    expect(done).toEqual([[1], [2, 3, 4], [5, 6]])
  })

  it('and not for ever where it does not come', async () => {
    const { done, batch } = answering({ ms: 1, count: 100 })
    void batch.add(1)
    await aFewTurns()
    void batch.add(2)
    await expect.poll(() => done).toEqual([[1], [2]])
  })

  it('an answer that is a failure ends the wait, too', async () => {
    let fail = (): void => undefined
    const done: number[][] = []
    const act = async (items: readonly number[]) => {
      done.push([...items])
      if (done.length === 1) await new Promise((_, reject) => (fail = () => reject(new Error('away'))))
      return items
    }
    const batch = new Batch(act, { count: 100, hold: { ms: FOR_EVER_MS, count: 100 } })
    const first = batch.add(1)
    await aFewTurns()
    const second = batch.add(2)
    fail()
    await expect(first).rejects.toThrow('away')
    expect(await second).toBe(2)
  })
})

it('Results are written with their keys first, then those of events and of the history, the TTL, their counts, and arguments for each', () => {
  const write = (key: string) => ({ key, encoded: `{"${key}":1}`, reply: 'channel' })
  expect(storeArguments([write('a'), write('b')], 1_000)).toEqual([
    ...[2, 'a', 'b', 1_000, 2, 0],
    ...['{"a":1}', 'channel'],
    ...['{"b":1}', 'channel'],
  ])
  const event = { key: 'events-b', run: 7, entry: '{}' }
  expect(storeArguments([write('a'), { ...write('b'), event }], 1_000)).toEqual([
    ...[3, 'a', 'b', 'events-b', 1_000, 2, 1],
    ...['{"a":1}', 'channel'],
    ...['{"b":1}', 'channel'],
    ...[2, 7, '{}'],
  ])
  expect(storeArguments([write('a')], 1_000, [{ key: 'history', given: [10, 'S'] }])).toEqual([
    ...[2, 'a', 'history', 1_000, 1, 0],
    ...['{"a":1}', 'channel'],
    ...[10, 'S'],
  ])
})

it('An announcement tells of one result on each line', () => {
  expect(announced('{"a":1}\n{"b":2}')).toEqual(['{"a":1}', '{"b":2}'])
  expect(announced('{"a":1}')).toEqual(['{"a":1}'])
})
