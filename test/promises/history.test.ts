/** The history of real tasks, and in real stores: what is kept of it, what is searched, and what it does in a cluster. */
import { randomUUID } from 'node:crypto'
import { Redis } from 'iovalkey'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { waitFor } from '../../cluster/index.js'
import { connect, defineTask, type Warren } from '../../src/index.js'
import { parseResults, type StoreClient } from '../../src/results/connection.js'
import { History } from '../../src/results/history.js'
import { noteScript } from '../../src/results/historyScripts.js'
import { Results } from '../../src/results/store.js'
import { decodeItem, encodeNotes, type HistoryEntry, type HistoryNote } from '../../src/wire/historyEntry.js'
import { eventsKey, historyKey, resultKey, unsuccessfulKey } from '../../src/wire/names.js'
import { encodeCancelled, encodeFailure, encodeStarted, encodeSuccess } from '../../src/wire/resultFormat.js'
import { type ClusterUrls, consuming, virtualHost } from '../support/cluster.js'
import { command, jsonLines } from '../support/command.js'
import { atEnd, type OwnStore, ownCluster, ownStore } from '../support/ownStore.js'

const queue = { name: 'user.account.create.crm', task: 'user.account.create' }
const error = { errorClass: 'TypeError', message: 'no such customer', traceback: undefined }
const key = historyKey('/')

/** Results that keep a history, and the history of the same store. */
async function opened(results: string | StoreClient, kept: { maxEntries?: number; keepMs?: number } = {}) {
  const made = new Results({
    ...{ target: parseResults('test', results), producerId: randomUUID(), ttlMs: 60_000, connectTimeoutMs: 10_000 },
    history: { vhost: '/', maxEntries: 1_000_000, keepMs: 3_600_000, ...kept },
  })
  atEnd(() => made.close())
  await made.open()
  return { results: made, history: new History(made, '/') }
}

const noteOf = (id: string, more: Partial<HistoryNote> = {}): HistoryNote => ({
  state: 'SUCCESS',
  ...{ id, attempt: 1, run: 0, task: queue.task, queue },
  ...{ queued: Date.now() - 20, started: Date.now() - 10, at: Date.now() },
  ...more,
})

const speakerOf = (id: string) => ({ id, attempt: 1, run: 0, replyTo: undefined })

function succeed(results: Results, id: string): Promise<unknown> {
  const encoded = encodeSuccess({ ...speakerOf(id), task: queue.task, output: 1, doneAt: new Date() })
  return results.store(speakerOf(id), encoded, { note: noteOf(id) })
}

function fail(results: Results, id: string): Promise<unknown> {
  const encoded = encodeFailure({ ...speakerOf(id), error, doneAt: new Date() })
  return results.store(speakerOf(id), encoded, { note: noteOf(id, { state: 'FAILURE', error }) })
}

const ids = (entries: readonly HistoryEntry[]): string[] => entries.map(({ id }) => id)

describe('Of what is stored together', () => {
  let store: OwnStore
  beforeAll(async () => {
    store = await ownStore()
  })

  it('each stored result has an entry, and none that the store did not take', async () => {
    const { results, history } = await opened(store.url)
    const [first, second, third] = [randomUUID(), randomUUID(), randomUUID()]
    await succeed(results, second)
    // A late FAILURE does not replace a SUCCESS.
    await Promise.all([succeed(results, first), fail(results, second), fail(results, third)])
    const { entries } = await history.tasks({ limit: 10, all: true })
    expect(ids(entries)).toEqual([third, first, second])
    expect(entries[0]).toMatchObject({ state: 'FAILURE', error: { errorClass: 'TypeError', message: error.message } })
    await fail(results, second)
    expect((await history.range())?.entries).toBe(4)
  })

  it('and a task that was cancelled has one for its end, not for a success that came too late', async () => {
    const { results, history } = await opened(store.url)
    const [late, aborted] = [randomUUID(), randomUUID()]
    for (const id of [late, aborted]) {
      const cancelled = encodeCancelled({ id, attempt: 0, run: Date.now(), doneAt: new Date() })
      await results.store(speakerOf(id), cancelled)
    }
    const encoded = encodeCancelled({ ...speakerOf(aborted), doneAt: new Date() })
    const note = noteOf(aborted, { state: 'REVOKED' })
    await Promise.all([succeed(results, late), results.store(speakerOf(aborted), encoded, { note })])
    expect((await history.tasks({ id: late })).entries).toEqual([])
    expect((await history.tasks({ id: aborted })).entries).toMatchObject([{ state: 'REVOKED' }])
  })

  it('what runs is listed as STARTED until it has ended', async () => {
    const { results, history } = await opened(store.url)
    const id = randomUUID()
    const started = encodeStarted({ ...speakerOf(id), hostname: 'h', pid: 1 })
    await results.store(speakerOf(id), started, { note: noteOf(id, { state: 'STARTED' }) })
    const runs = async () => ids((await history.tasks({ state: 'STARTED' })).entries)
    expect(await runs()).toEqual([id])
    await succeed(results, id)
    expect(await runs()).toEqual([])
    expect((await history.tasks({ id, all: true })).entries.map(({ state }) => state)).toEqual(['SUCCESS', 'STARTED'])
  })

  it('what somebody else put under its key is replaced, and results are stored all the same', async () => {
    const other = await ownStore()
    await other.admin.set(key, 'text')
    const { results, history } = await opened(other.url)
    const id = randomUUID()
    await succeed(results, id)
    expect(ids((await history.tasks()).entries)).toEqual([id])
    await other.admin.xadd(key, '*', 'strange', 'item')
    await other.admin.xadd(key, '*', 's', 'S', 'n', '[', 'e', ']', 't', '', 'x', '')
    await succeed(results, randomUUID())
    expect((await history.tasks()).entries).toHaveLength(2)
  })
})

/** Many entries at once: items of 50 as workers write them. */
async function fill(results: Results, count: number, { maxEntries = 1_000_000, keepMs = 3_600_000 } = {}) {
  const each = 50
  for (let from = 0; from < count; from += each) {
    const notes = Array.from({ length: each }, (_, index) => noteOf(`${from + index}`))
    const { states, names, entries, errors } = encodeNotes(notes, Date.now(), { hostname: 'h', pid: 1 })
    await results.ask((commands) =>
      noteScript(commands, key, '', each, maxEntries, keepMs, 0, states, names, entries, errors),
    )
  }
}

describe('The history is bounded', () => {
  it('by its number of entries, the oldest of which go', async () => {
    const { results, history } = await opened((await ownStore()).url)
    await fill(results, 10_000, { maxEntries: 2_000 })
    const kept = (await history.range())?.entries ?? 0
    // It is trimmed once in 500 results, by nodes of the stream, which have two items of this size.
    expect(kept).toBeGreaterThanOrEqual(2_000)
    expect(kept).toBeLessThan(2_000 + 500 + 200)
    const { entries, cursor } = await history.tasks({ limit: 1_000 })
    expect(ids(entries)).toEqual(Array.from({ length: 1_000 }, (_, index) => String(9_999 - index)))
    expect(cursor).toBeDefined()
  })

  it('also of those that were no success, which are kept by themselves', async () => {
    const store = await ownStore()
    const { results, history } = await opened(store.url, { maxEntries: 1_000 })
    for (let from = 0; from < 4_000; from += 200) {
      await Promise.all(Array.from({ length: 200 }, (_, index) => fail(results, `${from + index}`)))
    }
    for (const each of [key, unsuccessfulKey('/')]) {
      const items = await store.admin.xrange(each, '-', '+')
      const kept = items.flatMap(decodeItem).length
      expect(kept).toBeGreaterThanOrEqual(1_000)
      expect(kept).toBeLessThan(2_000)
    }
    expect(ids((await history.tasks({ state: 'FAILURE', limit: 1 })).entries)).toHaveLength(1)
  })

  it('by the age of its entries, and is gone when no more come', async () => {
    const store = await ownStore()
    const { results, history } = await opened(store.url, { keepMs: 1_000 })
    await succeed(results, 'old')
    expect(await store.admin.pttl(key)).toBeGreaterThan(0)
    await waitFor('it is gone', async () => ((await history.range()) === undefined ? undefined : 'still there'), {
      timeoutMs: 20_000,
    })
  })
})

describe('A search', () => {
  it('comes from the last entry to the first over pages, each entry once', async () => {
    const { results, history } = await opened((await ownStore()).url)
    await fill(results, 2_000)
    const found: string[] = []
    let cursor: string | undefined
    do {
      const page = await history.tasks({ limit: 333, cursor })
      found.push(...ids(page.entries))
      cursor = page.cursor
    } while (cursor !== undefined)
    expect(found).toEqual(Array.from({ length: 2_000 }, (_, index) => String(1_999 - index)))
  })

  it('finds one among many by its id, its task, its state or its error', async () => {
    const { results, history } = await opened((await ownStore()).url)
    await fail(results, 'needle')
    await fill(results, 20_000)
    const found = async (query: Parameters<History['tasks']>[0]) => ids((await history.tasks(query)).entries)
    expect(await found({ id: 'needle', searchMs: 60_000 })).toEqual(['needle'])
    expect(await found({ state: 'FAILURE', searchMs: 60_000 })).toEqual(['needle'])
    expect(await found({ search: 'SUCH CUSTOMER', searchMs: 60_000 })).toEqual(['needle'])
    expect(await found({ search: 'such a customer', searchMs: 60_000 })).toEqual([])
    expect(await found({ task: 'user.account.delete', searchMs: 60_000 })).toEqual([])
  })
})

it('In a cluster it has the same entries', async () => {
  const { client } = await ownCluster()
  const { results, history } = await opened(client)
  const [good, bad] = [randomUUID(), randomUUID()]
  await Promise.all([succeed(results, good), fail(results, bad)])
  await fail(results, good)
  await waitFor('both are there', async () => ((await history.range())?.entries === 2 ? undefined : 'not yet'), {
    timeoutMs: 20_000,
  })
  expect(ids((await history.tasks()).entries).sort()).toEqual([good, bad].sort())
  expect((await history.tasks({ state: 'FAILURE' })).entries).toMatchObject([{ id: bad }])
})

describe('Of a real worker', () => {
  const SERVICE = 'history'
  const LIMIT = { timeoutMs: 20_000 }
  const input = z.object({ fails: z.number(), message: z.string() })
  const retry = { maxAttempts: 3, initialDelayMs: 300, backoff: 'fixed' as const }
  const task = defineTask({ name: 'payment.history.charge', input, retry })
  let urls: ClusterUrls & { readonly vhost: string }
  let warren: Warren
  /** Handlers fail as their input says. */
  let failing = true

  beforeAll(async () => {
    urls = await virtualHost(SERVICE, [task])
    warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
    const worker = warren.worker({ service: SERVICE })
    worker.handle(task, ({ fails, message }, { number }) => {
      if (failing && number <= fails) throw new RangeError(message)
    })
    await consuming(worker)
  })
  afterAll(() => warren?.close())

  /** What the command prints, by line. */
  async function printed(...words: string[]): Promise<Record<string, unknown>[]> {
    const { code, out } = await command(...words, '--json', '--broker', urls.broker, '--results', urls.results)
    expect(code).toBe(0)
    return jsonLines(out)
  }

  it('a task that fails twice and succeeds has three attempts, and the waits between them', async () => {
    const handle = await warren.send(task, { fails: 2, message: 'no luck' })
    await handle.result(LIMIT)
    const found = await warren.history.task(handle.id)
    expect(found).toMatchObject({ id: handle.id, task: task.name, service: SERVICE, state: 'SUCCESS', run: 0 })
    const where = { queue: `${task.name}.${SERVICE}`, pid: process.pid }
    const error = { errorClass: 'RangeError', message: 'no luck' }
    expect(found?.attempts).toMatchObject([
      { ...where, attempt: 1, state: 'RETRY', error },
      { ...where, attempt: 2, state: 'RETRY', error },
      { ...where, attempt: 3, state: 'SUCCESS' },
    ])
    const [first, second, third] = found?.attempts ?? []
    for (const [one, next] of [
      [first, second],
      [second, third],
    ]) {
      expect(one?.nextAt?.getTime()).toBe((one?.endedAt?.getTime() ?? 0) + (one?.delayMs ?? Number.NaN))
      expect(next?.startedAt?.getTime()).toBeGreaterThanOrEqual(one?.endedAt?.getTime() ?? Number.POSITIVE_INFINITY)
    }
  })

  it('and its attempts are shown when its result has expired, as far as the history is kept longer', async () => {
    const handle = await warren.send(task, { fails: 1, message: 'no luck' })
    await handle.result(LIMIT)
    const admin = new Redis(urls.results)
    await admin.del(resultKey(handle.id), eventsKey(handle.id))
    admin.disconnect()
    expect(await printed('task', handle.id)).toMatchObject([
      { event: 'attempt', id: handle.id, attempt: 1, state: 'RETRY' },
      { event: 'attempt', id: handle.id, attempt: 2, state: 'SUCCESS' },
    ])
  })

  it('one that was dead-lettered is found by the text of its error, until it is redriven with success', async () => {
    const message = `no such customer ${randomUUID()}`
    const handle = await warren.send(task, { fails: 3, message })
    await expect(handle.result(LIMIT)).rejects.toMatchObject({ code: 'TASK_FAILED' })
    const words = ['--state', 'failure', '--since', '1h', '--task', task.name, '--search', message.toUpperCase()]
    const attempt = { event: 'task', id: handle.id, attempt: 3, error: { errorClass: 'RangeError', message } }
    expect(await printed('tasks', ...words)).toMatchObject([{ ...attempt, state: 'FAILURE' }])
    failing = false
    await warren.deadLetters({ domain: 'payment' }).redrive({ id: handle.id })
    const succeeded = async () => ((await handle.state())?.status === 'SUCCESS' ? undefined : 'not yet')
    await waitFor('it has succeeded', succeeded, LIMIT)
    expect(await printed('tasks', ...words)).toEqual([])
    const { attempts = [] } = (await warren.history.task(handle.id)) ?? {}
    expect(attempts.map(({ attempt, state }) => `${state} ${attempt}`)).toEqual(
      ['RETRY 1', 'RETRY 2', 'FAILURE 3', 'SUCCESS 1'], // Of the first run, then of the second.
    )
    failing = true
  })

  it('one that waits and is cancelled is there as REVOKED, with its name', async () => {
    const handle = await warren.send(task, { fails: 0, message: '' }, { delayMs: 3_600_000 })
    expect(await handle.cancel()).toMatchObject({ outcome: 'cancelled' })
    expect(await printed('tasks', '--state', 'REVOKED')).toMatchObject([{ id: handle.id, task: task.name, attempt: 0 }])
  })
})
