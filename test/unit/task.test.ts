import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { jittered } from '../../src/amqp/backoff.js'
import { defineTask, type Handle, type TaskInput, type TaskOutput, textOf, type Warren } from '../../src/index.js'
import { retryDelayMs } from '../../src/task/retry.js'
import { DEFAULT_RETRY } from '../../src/task/task.js'

const invoice = defineTask({
  name: 'payment.invoice.create',
  input: z.object({ customer: z.string(), days: z.string().transform(Number) }),
  output: z.object({ invoiceId: z.string() }),
})

describe('Types', () => {
  it('flow from the schemas to send, handle and result', () => {
    expectTypeOf<TaskInput<typeof invoice>>().toEqualTypeOf<{ customer: string; days: string }>()
    expectTypeOf<TaskOutput<typeof invoice>>().toEqualTypeOf<{ invoiceId: string }>()
    const sends = (warren: Warren) => {
      expectTypeOf(warren.send(invoice, { customer: 'c', days: '3' })).resolves.toEqualTypeOf<
        Handle<{ invoiceId: string }>
      >()
      // @ts-expect-error a number where the schema reads text
      void warren.send(invoice, { customer: 'c', days: 3 })
      warren.worker({ service: 's' }).handle(invoice, (input) => {
        expectTypeOf(input).toEqualTypeOf<{ customer: string; days: number }>()
        return { invoiceId: 'i' }
      })
      // @ts-expect-error not what the task's output says
      warren.worker({ service: 's' }).handle(invoice, () => ({ id: 'i' }))
    }
    expect(sends).toBeTypeOf('function')
    const follows = async (handle: Handle<{ invoiceId: string }>) => {
      for await (const event of handle.events()) {
        expectTypeOf(event.type).toEqualTypeOf<'queued' | 'started' | 'progress' | 'retry' | 'done'>()
        if (event.type !== 'done') continue
        if (event.status === 'SUCCESS') expectTypeOf(event.output).toEqualTypeOf<{ invoiceId: string }>()
        else expectTypeOf(event.error.message).toEqualTypeOf<string>()
      }
    }
    expect(follows).toBeTypeOf('function')
  })
})

describe('defineTask', () => {
  it('is safe by default: a quorum queue, one attempt', () => {
    expect(invoice).toMatchObject({ queue: { type: 'quorum' }, retry: DEFAULT_RETRY, timeoutMs: undefined })
  })

  it.each([
    [{ name: 'x' }, /at least two segments/],
    [{ name: 'a.b', input: 1 }, /Standard Schema/],
    [{ name: 'a.b', input: z.string(), timeoutMs: 0 }, /integer ≥ 1, or Infinity, got: 0/],
    [{ name: 'a.b', input: z.string(), retry: { maxAttempt: 3 } }, /did you mean `maxAttempts`/],
    [{ name: 'a.b', input: z.string(), queue: { type: 'stream' } }, /'quorum' or 'classic'/],
  ])('refuses %j', (options, message) => {
    expect(() => defineTask(options as never)).toThrow(message)
  })
})

describe('A retry policy', () => {
  const policyOf = (retry: object) => defineTask({ name: 'a.b', input: z.string(), retry }).retry
  const day = 24 * 60 * 60 * 1000

  it.each([
    [{ backoff: 'fixed', initialDelayMs: 300_000 }, 300_000],
    [{ initialDelayMs: 300_000 }, 300_000],
    [{ initialDelayMs: 60 * day }, 60 * day],
    [{ initialDelayMs: 180 * day, maxDelayMs: undefined }, 180 * day],
    [{ backoff: 'fixed', initialDelayMs: 5, maxDelayMs: 10 }, 5],
  ])('waits as long as it says: %j', (retry, delayMs) => {
    const policy = policyOf({ maxAttempts: 2, ...retry })
    expect(retryDelayMs(policy, 1)).toBe(delayMs)
  })

  it.each([
    [
      { initialDelayMs: 300_000, maxDelayMs: 60_000 },
      /`maxDelayMs` to be at least `initialDelayMs` \(300000\), got: 60000/,
    ],
    [{ backoff: 'fixed', initialDelayMs: 2, maxDelayMs: 1 }, /at least `initialDelayMs` \(2\), got: 1/],
    [{ initialDelayMs: 181 * day }, /`initialDelayMs` to be an integer from 1 to 15552000000/],
    [{ maxDelayMs: Number.POSITIVE_INFINITY }, /`maxDelayMs` to be an integer .* got: Infinity/],
    [{ initialDelayMs: 2 ** 53 }, /`initialDelayMs`/],
    [{ initialDelayMs: 0.5 }, /`initialDelayMs`.*got: 0.5/],
    [{ maxAttempts: Number.NaN }, /`maxAttempts`.*got: NaN/],
  ])('that cannot be is refused: %j', (retry, message) => {
    expect(() => policyOf(retry)).toThrow(message)
  })

  it('takes undefined for what it is by default', () => {
    const undefinedOnes = {
      maxAttempts: undefined,
      backoff: undefined,
      initialDelayMs: undefined,
      maxDelayMs: undefined,
    }
    expect(policyOf(undefinedOnes)).toEqual(DEFAULT_RETRY)
    const task = defineTask({
      name: 'a.b',
      input: z.string(),
      output: undefined,
      queue: { type: undefined },
      retry: undefined,
      timeoutMs: undefined,
    })
    expect(task).toMatchObject({ queue: { type: 'quorum' }, retry: DEFAULT_RETRY, timeoutMs: undefined })
  })
})

it('A time limit may have any length', () => {
  for (const timeoutMs of [1, 2 ** 31, 2 ** 40, Number.POSITIVE_INFINITY]) {
    expect(defineTask({ name: 'a.b', input: z.string(), timeoutMs }).timeoutMs).toBe(timeoutMs)
  }
})

describe('Back-off', () => {
  it('doubles up to its longest, or stays', () => {
    const policy = { maxAttempts: 9, backoff: 'exponential', initialDelayMs: 100, maxDelayMs: 1_000 } as const
    expect([1, 2, 3, 4, 5, 99].map((number) => retryDelayMs(policy, number))).toEqual([
      100, 200, 400, 800, 1_000, 1_000,
    ])
    expect(retryDelayMs({ ...policy, backoff: 'fixed' }, 7)).toBe(100)
  })

  it('is jittered between half and whole', () => {
    expect(jittered(100, 0, 1_000, () => 0)).toBe(50)
    expect(jittered(100, 2, 1_000, () => 1)).toBe(400)
    expect(jittered(100, 1_000, 1_000, () => 1)).toBe(1_000)
  })
})

it('textOf gives a text for anything that is thrown', () => {
  const hostile = {
    toString: () => {
      throw new Error('no')
    },
  }
  for (const thrown of [
    new Error('a'),
    new Error(''),
    'text',
    undefined,
    null,
    1n,
    Symbol('s'),
    Object.create(null),
    hostile,
  ]) {
    expect(textOf(thrown)).toEqual(expect.any(String))
  }
  expect(textOf(new AggregateError([new Error('a'), new Error('b')]))).toBe('a, b')
})
