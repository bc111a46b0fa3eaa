/** The promise: of the tasks sent under one unique key at the same time one is run, and its key is never left behind. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import {
  connect,
  defineTask,
  headers,
  Reject,
  type SendOptions,
  type UniqueOptions,
  type Warren,
  type Worker,
} from '../../src/index.js'
import { uniqueKey } from '../../src/wire/names.js'
import { type ClusterUrls, consuming, until, virtualHost, waiting } from '../support/cluster.js'
import { atEnd, type OwnStore, ownStore } from '../support/ownStore.js'

const SERVICE = 'unique'
const WORKER = fileURLToPath(new URL('../support/uniqueWorker.mjs', import.meta.url))
const RESULT = { timeoutMs: 20_000 }
const task = defineTask({
  name: 'payment.unique.task',
  input: z.object({ what: z.string() }),
  output: z.string(),
  retry: { maxAttempts: 2, backoff: 'fixed', initialDelayMs: 50 },
})
const nowhere = defineTask({ name: 'payment.unique.nowhere', input: z.object({ what: z.string() }) })

let urls: ClusterUrls & { readonly vhost: string }
let store: OwnStore
let warren: Warren
let other: Warren
let worker: Worker | undefined
let runs: string[]
/** Ends each run that waits. */
let finish: (what: string) => void

beforeAll(async () => {
  ;[urls, store] = await Promise.all([virtualHost(SERVICE, [task, nowhere]), ownStore()])
  ;[warren, other] = await Promise.all([open(), open()])
  atEnd(() => Promise.all([warren.close(), other.close()]))
  await (await work()).stop()
})
afterAll(() => Promise.all([warren?.close(), other?.close()]))
afterEach(async () => {
  // What a failed test leaves running would be redelivered to the next.
  finish('over')
  await worker?.stop({ gracePeriodMs: 0 })
  worker = undefined
})

const open = (): Promise<Warren> => connect({ broker: urls.broker, results: store.url, logger: false })

/** A worker whose handler does what the input says: `waits`, `fails`, `rejects`. */
async function work(of: Warren = warren): Promise<Worker> {
  runs = []
  const ends: ((what: string) => void)[] = []
  finish = (what) => {
    for (const end of ends.splice(0)) end(what)
  }
  worker = of.worker({ service: SERVICE, concurrency: 10 })
  worker.handle(task, async ({ what }) => {
    runs.push(what)
    if (what === 'fails') throw new Error('told to fail')
    if (what === 'rejects') throw new Reject('told to be rejected')
    if (what === 'waits') return new Promise<string>((resolve) => ends.push(resolve))
    return what
  })
  await consuming(worker)
  return worker
}

let keys = 0
const newKey = (): string => `key ${++keys}`
const send = (key: string, what: string, unique: Partial<UniqueOptions> = {}, options: SendOptions = {}) =>
  warren.send(task, { what }, { ...options, unique: { key, ...unique } })
const held = async (key: string): Promise<boolean> => {
  const state = await store.admin.hget(uniqueKey(urls.vhost, task.name, key), 'state')
  return state !== null && state !== 'ended'
}
const isFree = (key: string): Promise<void> => until(`${key} is free`, async () => !(await held(key)))

it('of 1,000 sends at the same time from two processes, one is run, and all get its result', async () => {
  await work()
  const key = newKey()
  const sends = Array.from({ length: 1_000 }, (_, index) =>
    (index % 2 === 0 ? warren : other).send(task, { what: 'waits' }, { unique: { key } }),
  )
  const handles = await Promise.all(sends)
  expect(new Set(handles.map(({ id }) => id)).size).toBe(1)
  expect(handles.filter(({ existing }) => !existing)).toHaveLength(1)
  await until('it runs', () => runs.length > 0)
  finish('done')
  expect(new Set(await Promise.all(handles.map((handle) => handle.result(RESULT))))).toEqual(new Set(['done']))
  expect(runs).toEqual(['waits'])
  await isFree(key)
  expect((await send(key, 'again')).existing).toBe(false)
})

it('so it is with sendMany', async () => {
  await work()
  const unique = { key: newKey() }
  const sent: boolean[] = []
  await warren.sendMany(
    task,
    Array.from({ length: 100 }, () => ({ what: 'waits' })),
    { options: () => ({ unique }), onSent: ({ existing }) => sent.push(existing) },
  )
  finish('done')
  expect(sent.filter((existing) => !existing)).toHaveLength(1)
  expect(sent).toHaveLength(100)
})

it('a task keeps its key over a retry, and frees it when it has failed for good', async () => {
  await work()
  const key = newKey()
  const first = await send(key, 'fails')
  await until('its first attempt', () => runs.length > 0)
  if (runs.length === 1) expect((await send(key, 'other')).id).toBe(first.id)
  await expect(first.result(RESULT)).rejects.toMatchObject({ code: 'TASK_FAILED' })
  const next = await send(key, 'next')
  expect(next.existing).toBe(false)
  expect(await next.result(RESULT)).toBe('next')
})

it('one that expired frees its key', async () => {
  const key = newKey()
  const first = await send(key, 'late', {}, { expires: new Date(Date.now() + 200) })
  const sentAt = Date.now()
  await until('its time is over', () => Date.now() > sentAt + 300)
  await work()
  await expect(first.result(RESULT)).rejects.toMatchObject({ errorClass: 'TaskRevokedError' })
  expect((await send(key, 'next')).existing).toBe(false)
})

it('a redriven task takes its key again, or runs without it where another task has it', async () => {
  await work()
  const key = newKey()
  const first = await send(key, 'rejects')
  await expect(first.result(RESULT)).rejects.toMatchObject({ code: 'TASK_FAILED' })
  const second = await send(key, 'waits')
  await until('the second runs', () => runs.includes('waits'))
  const letters = warren.deadLetters({ queue: 'payment.dlq' })
  const redrive = async () => {
    const before = runs.length
    await until('the redrive', async () => (await letters.redrive({ id: first.id })).done === 1)
    await until('its run', () => runs.length > before)
    await expect(first.result(RESULT)).rejects.toMatchObject({ code: 'TASK_FAILED' })
  }
  await redrive()
  expect((await send(key, 'other')).id).toBe(second.id)
  finish('done')
  await second.result(RESULT)
  await isFree(key)
  await redrive()
  await isFree(key)
})

it('a task whose worker is killed keeps its key, and goes on at once elsewhere', async () => {
  const key = newKey()
  const killed = fork(WORKER, [urls.broker, store.url], { stdio: 'inherit' })
  const first = await send(key, 'survives')
  await once(killed, 'message')
  killed.kill('SIGKILL')
  await once(killed, 'exit')
  expect((await send(key, 'other')).id).toBe(first.id)
  await work()
  expect(await first.result(RESULT)).toBe('survives')
  expect(runs).toEqual(['survives'])
  await isFree(key)
})

it('a task that is cancelled by its key frees it at once, also one that is kept for a time', async () => {
  await work()
  const key = newKey()
  const first = await send(key, 'waits')
  await until('it runs', () => runs.length === 1)
  expect(await warren.cancel({ task, key })).toMatchObject({ id: first.id, outcome: 'cancelled' })
  expect(await held(key)).toBe(false)
  await expect(first.result(RESULT)).rejects.toMatchObject({ errorClass: 'TaskRevokedError' })
  const timed = await send(key, 'x', { until: 60_000 })
  await timed.result(RESULT)
  expect(await other.cancel({ task: task.name, key })).toMatchObject({ id: timed.id, outcome: 'finished' })
  expect(await other.cancel({ task, key })).toBeUndefined()
  expect((await send(key, 'next')).existing).toBe(false)
})

it('what no queue takes leaves no key, for nobody who sent it', async () => {
  const key = newKey()
  const sends = Array.from({ length: 20 }, () => warren.send(nowhere, { what: '' }, { unique: { key } }))
  const ends = await Promise.allSettled(sends)
  expect(ends.map((end) => end.status === 'rejected' && end.reason.code)).toEqual(Array(20).fill('UNROUTABLE'))
  expect(await store.admin.exists(uniqueKey(urls.vhost, nowhere.name, key))).toBe(0)
})

it('what is refused before it is sent leaves none', async () => {
  const key = newKey()
  await expect(send(key, 'x'.repeat(5 * 1024 * 1024))).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
  await expect(send(key, 'x', {}, { id: 'x'.repeat(256) })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  expect(await held(key)).toBe(false)
})

it('a newer task replaces one that has not started, which is REVOKED, whatever their order in the queue', async () => {
  const key = newKey()
  const replace = { onConflict: 'replace' } as const
  const all = [await send(key, 'one', replace), await send(key, 'two', replace), await send(key, 'three', replace)]
  await work()
  const ends = await Promise.allSettled(all.map((handle) => handle.result(RESULT)))
  expect(ends.map((end) => (end.status === 'fulfilled' ? end.value : end.reason.message))).toEqual([
    expect.stringContaining('replaced by'),
    expect.stringContaining('replaced by'),
    'three',
  ])
  expect(runs).toEqual(['three'])
})

it('a key that is kept until the start is free while its task runs', async () => {
  await work()
  const key = newKey()
  const started = { until: 'started' } as const
  const first = await send(key, 'waits', started)
  await until('it runs', () => runs.length === 1)
  const second = await send(key, 'after', started)
  expect(second.existing).toBe(false)
  finish('done')
  expect(await Promise.all([first.result(RESULT), second.result(RESULT)])).toEqual(['done', 'after'])
})

it('of two messages of one task one is run at a time', async () => {
  await work()
  const key = newKey()
  const outcomes: string[] = []
  worker?.on('attemptFinished', ({ outcome }) => outcomes.push(outcome))
  const first = await send(key, 'waits')
  await until('it runs', () => runs.length === 1)
  // As if its sender had died before it knew that the message was confirmed.
  await store.admin.hset(uniqueKey(urls.vhost, task.name, key), 'state', 'pending', 'till', 0)
  const again = await send(key, 'waits')
  expect(again).toMatchObject({ id: first.id, existing: false })
  await until('the second message is postponed', () => outcomes.includes('postponed'))
  finish('done')
  expect(await again.result(RESULT)).toBe('done')
  expect(runs).toEqual(['waits'])
  await until('nothing is left', async () => (await waiting(urls.broker, `${task.name}.${SERVICE}`)) === 0)
})

it('a sender whose store is away sends nothing', async () => {
  const own = await ownStore()
  const cut = await connect({ broker: urls.broker, results: own.url, logger: false })
  await own.process.kill()
  await expect(cut.send(task, { what: 'x' }, { confirmTimeoutMs: 500, unique: { key: 'x' } })).rejects.toMatchObject({
    code: 'STORE_UNREACHABLE',
  })
  await cut.close()
  await work()
  await send(newKey(), 'probe').then((handle) => handle.result(RESULT))
  expect(runs).toEqual(['probe'])
})

it('a message says under which key it was sent', () => {
  expect(headers).toMatchObject({ unique: 'x-warren-unique', once: 'x-warren-once' })
})
