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

describe('Under load what is asked for may be held for others', () => {
  const FOR_EVER_MS = 2 ** 30
  const collecting = (abovePerSecond: number) => {
    const done: number[][] = []
    const act = async (items: readonly number[]) => {
      done.push([...items])
      return items
    }
    return { done, batch: new Batch(act, { count: 100, hold: { ms: FOR_EVER_MS, count: 3, abovePerSecond } }) }
  }
  const aFewTurns = async () => {
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
  }

  it('until there are enough', async () => {
    const { done, batch } = collecting(0)
    const first = [batch.add(1), batch.add(2)]
    await aFewTurns()
    expect(done).toEqual([])
    await Promise.all([...first, batch.add(3)])
    expect(done).toEqual([[1, 2, 3]])
  })

  it('until one is urgent', async () => {
    const { done, batch } = collecting(0)
    await Promise.all([batch.add(1), batch.add(2, true)])
    expect(done).toEqual([[1, 2]])
  })

  it('for so long at most', async () => {
    const batch = new Batch(async (items: readonly number[]) => items, {
      ...{ count: 100, hold: { ms: 1, count: 3, abovePerSecond: 0 } },
    })
    expect(await batch.add(1)).toBe(1)
  })

  it('and not where few are asked for', async () => {
    const { done, batch } = collecting(1_000_000)
    await batch.add(1)
    expect(done).toEqual([[1]])
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
