/** The promise: `result()` resolves with what its type says. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask } from '../../src/index.js'
import type { Results } from '../../src/results/store.js'
import { Handle } from '../../src/send/handle.js'

/** The handle of a task whose result is stored as `stored`. */
function handleOf<Output extends z.ZodType>(output: Output, stored: unknown) {
  const task = { name: 'unit.handle.task', output }
  const results = { wait: async () => ({ id: 'id', status: 'SUCCESS', result: stored }) } as unknown as Results
  return new Handle<z.output<Output>>(task, 'id', () => results)
}

it('Transformations of the output schema give their values', async () => {
  const at = '2026-01-02T03:04:05.000Z'
  expect(await handleOf(z.object({ at: z.coerce.date() }), { at }).result()).toEqual({ at: new Date(at) })
  expect(await handleOf(z.string().transform(Number), '12').result()).toBe(12)
  expect(await handleOf(z.object({ a: z.number().default(5) }), {}).result()).toEqual({ a: 5 })
  expect(await handleOf(z.object({ a: z.string() }), { a: 'b', more: 'c' }).result()).toEqual({ a: 'b' })
})

it('A result that does not fit is an error that says where, as of a worker that has another schema', async () => {
  const reading = handleOf(z.object({ at: z.date() }), { at: '2026-01-02T03:04:05.000Z' }).result()
  await expect(reading).rejects.toMatchObject({ code: 'INVALID_OUTPUT', issues: [{ path: 'at' }] })
  await expect(reading).rejects.toThrow(/unit\.handle\.task id.*same definition/)
  await expect(handleOf(z.number(), 'text').result()).rejects.toMatchObject({ code: 'INVALID_OUTPUT' })
})

it('A handler that returns nothing has null stored, and nothing is what comes back', async () => {
  expect(await handleOf(z.void(), null).result()).toBeUndefined()
  expect(await handleOf(z.string().optional(), null).result()).toBeUndefined()
  expect(await handleOf(z.string().nullable(), null).result()).toBeNull()
  await expect(handleOf(z.string(), null).result()).rejects.toMatchObject({ code: 'INVALID_OUTPUT' })
})

it('Without an output schema, the result is what was stored', async () => {
  const task = defineTask({ name: 'unit.handle.any', input: z.any() })
  const results = { wait: async () => ({ id: 'id', status: 'SUCCESS', result: { a: [1] } }) } as unknown as Results
  expect(await new Handle<unknown>(task, 'id', () => results).result()).toEqual({ a: [1] })
})
