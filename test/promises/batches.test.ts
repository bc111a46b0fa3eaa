/** The promise: of a batch each task ends in its own way, and none is lost or waits for others for longer than it was told. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import {
  type BatchHandler,
  type BatchOptions,
  connect,
  defineTask,
  Reject,
  type Warren,
  type Worker,
} from '../../src/index.js'
import { type ClusterUrls, consuming, deadLetters, until, virtualHost } from '../support/cluster.js'

const SERVICE = 'batches'
const RESULT = { timeoutMs: 20_000 }
const task = defineTask({
  name: 'payment.batches.task',
  input: z.object({ what: z.string() }),
  output: z.string(),
  retry: { maxAttempts: 2, backoff: 'fixed', initialDelayMs: 50 },
  timeoutMs: 3_000,
})

const brief = defineTask({
  ...{ name: 'payment.batches.brief', input: z.object({ what: z.string() }), output: z.string() },
  retry: { maxAttempts: 1 },
  timeoutMs: 400,
})

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
let worker: Worker | undefined

beforeAll(async () => {
  urls = await virtualHost(SERVICE, [task, brief])
  warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
})
afterAll(() => warren?.close())
afterEach(async () => {
  await worker?.stop({ gracePeriodMs: 0 })
})

type Given = { what: string }
async function work(handler: BatchHandler<Given, string>, options: Partial<BatchOptions> = {}, of = task) {
  const sizes: number[] = []
  worker = warren.worker({ service: SERVICE, concurrency: 20 })
  const counting: BatchHandler<Given, string> = (items, batch) => {
    sizes.push(items.length)
    return handler(items, batch)
  }
  worker.handleBatch(of, counting, { size: 10, maxWaitMs: 200, ...options })
  await consuming(worker)
  return sizes
}
const send = (what: string) => warren.send(task, { what })

it('batches are full where there is enough, and wait no longer than they were told where there is not', async () => {
  const sizes = await work((items) => items.map(({ input: { what }, attempt: { id } }) => `${what} ${id}`))
  const handles = await Promise.all(Array.from({ length: 45 }, (_, n) => send(`n${n}`)))
  const outputs = await Promise.all(handles.map((handle) => handle.result(RESULT)))
  expect(outputs).toEqual(handles.map(({ id }, n) => `n${n} ${id}`))
  expect(Math.max(...sizes)).toBe(10)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(45)
  expect(await (await send('alone')).result(RESULT)).toMatch(/^alone/)
  expect(sizes.at(-1)).toBe(1)
})

it('each item ends in its own way', async () => {
  const tries: string[] = []
  await work((items) =>
    items.map(({ input: { what }, attempt }) => {
      tries.push(what)
      if (what === 'fails') return new Error('told to fail')
      if (what === 'retried' && attempt.number === 1) return new Error('the first time')
      if (what === 'rejected') return new Reject('told to reject')
      if (what === 'misfit') return 7 as never
      return what
    }),
  )
  const whats = ['fine', 'fails', 'retried', 'rejected', 'misfit']
  const handles = await Promise.all(whats.map(send))
  const ends = await Promise.allSettled(handles.map((handle) => handle.result(RESULT)))
  expect(ends.map((end) => (end.status === 'fulfilled' ? end.value : end.reason.errorClass))).toEqual([
    ...['fine', 'Error', 'retried', 'Reject', 'OutputError'],
  ])
  expect(tries.filter((what) => what === 'rejected').length).toBe(1)
  expect(tries.filter((what) => what === 'fails').length).toBe(2)
  const letters = await deadLetters(urls.vhost, 'payment.dlq')
  expect(letters.length).toBe(3)
})

it('what the handler throws, and a list of another length, fail all of the batch', async () => {
  let throws = true
  await work(() => {
    if (throws) throw new Error('the whole batch')
    return ['one too few']
  })
  const all = (whats: string[]) =>
    Promise.all(whats.map(async (what) => (await send(what)).result(RESULT).catch((error: Error) => error.message)))
  for (const text of await all(['a', 'b'])) expect(text).toContain('the whole batch')
  throws = false
  for (const text of await all(['a', 'b'])) expect(text).toMatch(/expected the batch handler .* to return a list of 2/)
})

it('an item that is cancelled ends alone; the batch goes on without it', async () => {
  let batches = 0
  await work(async (items) => {
    batches++
    const cancelled = items.find(({ input }) => input.what === 'cancelled')
    if (cancelled !== undefined) {
      await warren.cancel(cancelled.attempt.id)
      await until('its own signal', () => cancelled.attempt.signal.aborted)
    }
    return items.map(({ input }) => input.what)
  })
  const [cancelled, kept] = await Promise.all([send('cancelled'), send('kept')])
  expect(await kept.result(RESULT)).toBe('kept')
  expect(await cancelled.state()).toMatchObject({ status: 'REVOKED' })
  expect(batches).toBe(1)
})

it('a batch whose items all pass their time limit is aborted', async () => {
  let aborted = false
  const hang: BatchHandler<Given, string> = async (items, { signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    aborted = true
    return items.map(({ input }) => input.what)
  }
  await work(hang, {}, brief)
  const handle = await warren.send(brief, { what: 'hangs' })
  await expect(handle.result(RESULT)).rejects.toMatchObject({ errorClass: 'TimeLimitError' })
  expect(aborted).toBe(true)
})

it('a worker that stops runs what is gathered, and does not wait for more', async () => {
  const sizes = await work((items) => items.map(({ input }) => input.what), { maxWaitMs: 2_500 })
  const handles = await Promise.all(['a', 'b', 'c'].map(send))
  await until('they are gathered', () => worker?.health().running === 3)
  await worker?.stop()
  expect(await Promise.all(handles.map((handle) => handle.result(RESULT)))).toEqual(['a', 'b', 'c'])
  expect(sizes).toEqual([3])
})

it('a size beyond the concurrency, and a wait beyond the time limit, are refused', () => {
  const unstarted = warren.worker({ service: SERVICE, concurrency: 5 })
  const register = (options: BatchOptions) => () => unstarted.handleBatch(task, () => [], options)
  expect(register({ size: 6 })).toThrow(/`size` to be at most the worker's concurrency \(5\)/)
  expect(register({ size: 5, maxWaitMs: 3_000 })).toThrow(/`maxWaitMs` to be less than the task's timeoutMs/)
  expect(register({} as never)).toThrow(/expected `size` to be given/)
  return unstarted.stop()
})
