import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask } from '../../src/index.js'
import { Handle } from '../../src/send/handle.js'
import { type Sending, type SendManyOptions, sendMany } from '../../src/send/sendMany.js'

const task = defineTask({ name: 'unit.many.task', input: z.number() })
const handle = new Handle<unknown>(task, 'id', () => {
  throw new Error('no results here')
})
const reports: string[] = []

/** Sends with `send`, which is called with the input. */
function sending(
  send: (input: number) => Promise<void>,
  window = 1_000,
  full = (): boolean => false,
): Sending<number, unknown> {
  return {
    send: async (input) => {
      await send(input)
      return handle
    },
    window,
    full,
    report: (what) => reports.push(what),
  }
}
const many = (
  send: (input: number) => Promise<void>,
  inputs: Iterable<number> | AsyncIterable<number>,
  options: SendManyOptions<unknown, number> = {},
  window?: number,
) => sendMany(sending(send, window), inputs, options)
const confirmed = async (): Promise<void> => undefined
const counting = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

/** A source that yields `first`, and is silent then. It notes that it was told to end. */
function silentAfter(first: readonly number[]) {
  const notes = { returned: false, taken: 0 }
  const iterator: AsyncIterator<number> = {
    next: () =>
      notes.taken < first.length
        ? Promise.resolve({ value: first[notes.taken++] as number })
        : new Promise<never>(() => undefined),
    return: async () => {
      notes.returned = true
      return { done: true, value: undefined }
    },
  }
  return { notes, [Symbol.asyncIterator]: () => iterator }
}

it('A first failure is noticed before the window is full', async () => {
  let calls = 0
  const refuse = async (): Promise<void> => {
    calls++
    throw new Error('no such input')
  }
  await expect(many(refuse, counting(1_000))).rejects.toThrow('no such input')
  expect(calls).toBeLessThan(10)
})

describe('While its source is silent', () => {
  it('an abort ends it at once, and the source is told', async () => {
    const source = silentAfter([1, 2])
    const aborting = new AbortController()
    const sent = many(confirmed, source, { signal: aborting.signal, onSent: (_, i) => i === 1 && aborting.abort() })
    expect(await sent).toEqual({ sent: 2, failed: 0 })
    expect(source.notes.returned).toBe(true)
  })

  it('a failure ends it at once', async () => {
    const source = silentAfter([1, 2])
    const send = async (input: number): Promise<void> => {
      if (input === 2) throw new Error('refused')
    }
    await expect(many(send, source)).rejects.toThrow('refused')
    expect(source.notes.returned).toBe(true)
  })

  it('so does a callback that throws', async () => {
    const source = silentAfter([1])
    const onSent = () => {
      throw new Error('my callback broke')
    }
    await expect(many(confirmed, source, { onSent })).rejects.toThrow('my callback broke')
  })
})

it('An abort while the window is full ends it once those in flight have ended', async () => {
  const aborting = new AbortController()
  const ends: (() => void)[] = []
  const slow = (): Promise<void> => new Promise((resolve) => ends.push(resolve))
  let over = false
  const sent = many(slow, counting(10), { signal: aborting.signal }, 2).finally(() => {
    over = true
  })
  while (ends.length < 2) await undefined
  aborting.abort()
  for (let turn = 0; turn < 20; turn++) await undefined
  expect([over, ends.length]).toEqual([false, 2])
  for (const end of ends) end()
  expect(await sent).toEqual({ sent: 2, failed: 0 })
})

it('A signal that is aborted already takes nothing', async () => {
  let taken = 0
  function* source() {
    taken++
    yield 1
  }
  expect(await many(confirmed, source(), { signal: AbortSignal.abort() })).toEqual({ sent: 0, failed: 0 })
  expect(taken).toBe(0)
})

describe('A source that throws', () => {
  const ends: (() => void)[] = []
  const slow = (): Promise<void> => new Promise((resolve) => ends.push(resolve))
  function* sync() {
    yield 1
    throw new Error('the source broke')
  }
  async function* async() {
    yield 1
    throw new Error('the source broke')
  }
  it.each([
    ['a generator', sync],
    ['an async generator', async],
  ])('rejects once those in flight have ended: %s', async (_what, source) => {
    ends.length = 0
    let over = false
    const sent = many(slow, source(), { onFailed: () => undefined }).catch((error: Error) => {
      over = true
      return error.message
    })
    for (let turn = 0; turn < 50; turn++) await undefined
    expect([over, ends.length]).toEqual([false, 1])
    ends[0]?.()
    expect(await sent).toBe('the source broke')
  })
  it('with something that is no iterable', async () => {
    await expect(many(confirmed, 5 as never)).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
    await expect(many(confirmed, undefined as never)).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
  })
})

it("A generator's finally runs when sendMany ends before it", async () => {
  let cleaned = false
  async function* source() {
    try {
      for (;;) yield 1
    } finally {
      await undefined
      cleaned = true
    }
  }
  await expect(
    many(async () => {
      throw new Error('refused')
    }, source()),
  ).rejects.toThrow('refused')
  expect(cleaned).toBe(true)
})

describe('Callbacks', () => {
  const boom = (): never => {
    throw new Error('my callback broke')
  }
  it('onSent that throws: nothing that was sent counts as failed', async () => {
    const failed: number[] = []
    const told = many(confirmed, counting(3), { onSent: boom, onFailed: (_error, index) => failed.push(index) })
    await expect(told).rejects.toThrow('my callback broke')
    expect(failed).toEqual([])
  })
  it('onFailed that throws rejects it', async () => {
    const refuse = async (): Promise<void> => {
      throw new Error('refused')
    }
    await expect(many(refuse, counting(3), { onFailed: boom })).rejects.toThrow('my callback broke')
  })
  it('one that returns a promise that rejects is no unhandled rejection', async () => {
    const onSent = (async () => boom()) as () => void
    await expect(many(confirmed, silentAfter([1]), { onSent })).rejects.toThrow('my callback broke')
  })
  it('one that hangs holds up nothing', async () => {
    const onSent = (() => new Promise(() => undefined)) as () => void
    expect(await many(confirmed, counting(3), { onSent })).toEqual({ sent: 3, failed: 0 })
  })
  it('one that rejects after the end is reported', async () => {
    reports.length = 0
    let rejectLater: (error: Error) => void = () => undefined
    const onSent = (() => new Promise((_, reject) => (rejectLater = reject))) as () => void
    expect(await many(confirmed, [1], { onSent })).toEqual({ sent: 1, failed: 0 })
    rejectLater(new Error('late'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(reports).toEqual(['onSent of sendMany'])
  })
})

it('Each input may have options of its own', async () => {
  const given: unknown[] = []
  const summary = await sendMany(
    {
      ...sending(confirmed),
      send: async (input, options) => {
        given.push([input, options])
        return handle
      },
    },
    [7, 8],
    { options: (input, index) => ({ id: `${input}-${index}` }) },
  )
  expect(summary).toEqual({ sent: 2, failed: 0 })
  expect(given).toEqual([
    [7, { id: '7-0' }],
    [8, { id: '8-1' }],
  ])
})

it('It takes no more while what is in flight fills the memory, and at least one at a time', async () => {
  let inFlight = 0
  let most = 0
  const send = async (): Promise<void> => {
    most = Math.max(most, ++inFlight)
    await undefined
    inFlight--
  }
  const full = (): boolean => true
  expect(await sendMany(sending(send, 1_000, full), counting(20), {})).toEqual({ sent: 20, failed: 0 })
  expect(most).toBe(1)
})

it('undefined options count as left out, unknown ones are refused', async () => {
  expect(await many(confirmed, [1], { onSent: undefined, onFailed: undefined, signal: undefined })).toEqual({
    sent: 1,
    failed: 0,
  })
  await expect(many(confirmed, [1], { onsent: () => 1 } as never)).rejects.toThrow(/did you mean `onSent`/)
})

it.each([
  ['an iterator without next()', { [Symbol.iterator]: () => ({}) }],
  ['a next() that returns nothing', { [Symbol.asyncIterator]: () => ({ next: async () => undefined }) }],
  ['a next() that returns a number', { [Symbol.iterator]: () => ({ next: () => 1 }) }],
])('%s is refused, and not taken for the end', async (_what, source) => {
  await expect(many(confirmed, source as never)).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
})
