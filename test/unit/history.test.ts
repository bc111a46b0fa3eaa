/** The history, with the library's own scripts on the in-memory store of `warren/testing`. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { defineTask, type HistoryEntry, type HistoryQuery, Reject } from '../../src/index.js'
import { type TestWarren, testWarren } from '../../src/testing/index.js'

const input = z.object({ fail: z.number().optional(), message: z.string().optional() })
const create = defineTask({ name: 'user.account.create', input, retry: { maxAttempts: 3, initialDelayMs: 5_000 } })
const invoice = defineTask({ name: 'payment.invoice.create', input, trackStarted: true })

async function warrenOf(): Promise<TestWarren> {
  const warren = await testWarren({ now: new Date('2026-01-01T12:00:00Z') })
  onTestFinished(() => warren.close())
  const handler = (of: z.infer<typeof input>, { number }: { number: number }): void => {
    if (of.message !== undefined) throw new Reject(of.message)
    if (number <= (of.fail ?? 0)) throw new TypeError(`try ${number} of ${create.name}`)
  }
  const worker = warren.worker({ service: 'crm', concurrency: 10 }).handle(create, handler).handle(invoice, handler)
  await worker.start()
  return warren
}

const shown = (entries: readonly HistoryEntry[]) => entries.map(({ id, state, attempt }) => `${id} ${state} ${attempt}`)
const listed = async (warren: TestWarren, query?: HistoryQuery) => shown((await warren.history.tasks(query)).entries)

it('Each task is listed once, by its latest state, the latest first', async () => {
  const warren = await warrenOf()
  await warren.send(create, {}, { id: 'good' })
  await warren.advance(1_000)
  await warren.send(create, { fail: 1 }, { id: 'again' })
  await warren.advance(1_000)
  expect(await listed(warren)).toEqual(['again RETRY 1', 'good SUCCESS 1'])
  await warren.advance(60_000)
  expect(await listed(warren)).toEqual(['again SUCCESS 2', 'good SUCCESS 1'])
  expect(await listed(warren, { all: true })).toEqual(['again SUCCESS 2', 'again RETRY 1', 'good SUCCESS 1'])
  expect(await listed(warren, { state: 'RETRY' })).toEqual([])
})

it('An entry says where and when it ran, and its error', async () => {
  const warren = await warrenOf()
  await warren.send(create, { message: 'No Such Customer' }, { id: 'bad' })
  await warren.idle()
  const [entry] = (await warren.history.tasks()).entries
  expect(entry).toMatchObject({
    ...{
      id: 'bad',
      state: 'FAILURE',
      task: create.name,
      queue: `${create.name}.crm`,
      service: 'crm',
      run: expect.any(Number),
    },
    error: { errorClass: 'Reject', message: 'No Such Customer' },
    pid: process.pid,
  })
})

describe('A search', () => {
  async function filled(): Promise<TestWarren> {
    const warren = await warrenOf()
    for (let number = 1; number <= 5; number++) {
      await warren.send(create, {}, { id: `good-${number}` })
      await warren.send(invoice, { message: `No such "customer" ${number}` }, { id: `bad-${number}` })
      await warren.advance(1_000)
    }
    return warren
  }

  it.each<[HistoryQuery, string[]]>([
    [{ state: 'FAILURE', limit: 2 }, ['bad-5 FAILURE 1', 'bad-4 FAILURE 1']],
    [{ state: ['FAILURE', 'RETRY'], search: 'CUSTOMER" 3' }, ['bad-3 FAILURE 1']],
    [
      { search: 'reject' },
      ['bad-5 FAILURE 1', 'bad-4 FAILURE 1', 'bad-3 FAILURE 1', 'bad-2 FAILURE 1', 'bad-1 FAILURE 1'],
    ],
    [{ search: 'reject: no such "customer" 1' }, ['bad-1 FAILURE 1']],
    [{ search: 'nothing of it' }, []],
    [{ task: create, limit: 1 }, ['good-5 SUCCESS 1']],
    [{ task: invoice.name, queue: `${invoice.name}.crm`, service: 'crm', limit: 1 }, ['bad-5 FAILURE 1']],
    [{ service: 'other' }, []],
    [{ id: 'good-3' }, ['good-3 SUCCESS 1']],
    [{ id: 'bad-3', all: true }, ['bad-3 FAILURE 1', 'bad-3 STARTED 1']],
    [{ state: 'STARTED' }, []],
    [{ since: new Date('2026-01-01T12:00:04Z') }, ['bad-5 FAILURE 1', 'good-5 SUCCESS 1']],
    [{ until: new Date('2026-01-01T12:00:00Z'), task: create }, ['good-1 SUCCESS 1']],
  ])('finds %j', async (query, expected) => {
    const found = await listed(await filled(), query)
    // Two that ended in one instant may stand either way.
    expect(found.sort()).toEqual(expected.sort())
  })

  it('is paged by a cursor: every entry once, in order, also while others come', async () => {
    const warren = await filled()
    const whole = await listed(warren, { all: true })
    const paged: string[] = []
    let cursor: string | undefined
    do {
      const page = await warren.history.tasks({ all: true, limit: 3, cursor })
      paged.push(...shown(page.entries))
      cursor = page.cursor
      await warren.send(create, {})
      await warren.idle()
    } while (cursor !== undefined)
    expect(paged).toEqual(whole)
  })

  it('that takes long ends where it has come to', async () => {
    const warren = await filled()
    const page = await warren.history.tasks({ search: 'nothing of it', searchMs: 1 })
    expect(page.entries).toEqual([])
    if (page.cursor !== undefined) expect(page.searchedTo).toBeInstanceOf(Date)
  })
})

it.each<[object, string]>([
  [{ state: 'DONE' }, 'state'],
  [{ state: [] }, 'state'],
  [{ limit: 0 }, 'limit'],
  [{ limit: 1_001 }, 'limit'],
  [{ cursor: 'x' }, 'cursor'],
  [{ task: {} }, 'task'],
  [{ since: 'yesterday' }, 'since'],
  [{ since: new Date(2), until: new Date(1) }, 'since'],
  [{ sarch: 'x' }, 'did you mean `search`'],
])('%j is refused', async (query, named) => {
  const warren = await warrenOf()
  const refused = warren.history.tasks(query as HistoryQuery)
  await expect(refused).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
  await expect(refused).rejects.toThrow(named)
})

describe('The history of one task', () => {
  it('has its attempts with their errors and the waits between them', async () => {
    const warren = await warrenOf()
    await warren.send(create, { fail: 2 }, { id: 'thrice' })
    await warren.advance(600_000)
    const history = await warren.history.task('thrice')
    expect(history).toMatchObject({
      id: 'thrice',
      task: create.name,
      service: 'crm',
      state: 'SUCCESS',
      run: expect.any(Number),
    })
    expect(history?.attempts).toMatchObject([
      { attempt: 1, state: 'RETRY', error: { errorClass: 'TypeError', message: `try 1 of ${create.name}` } },
      { attempt: 2, state: 'RETRY', error: { errorClass: 'TypeError', message: `try 2 of ${create.name}` } },
      { attempt: 3, state: 'SUCCESS', pid: process.pid },
    ])
    for (const { endedAt, nextAt, delayMs } of history?.attempts.slice(0, 2) ?? []) {
      expect(nextAt?.getTime()).toBe((endedAt?.getTime() ?? 0) + (delayMs ?? 0))
    }
  })

  it('has its cancelling', async () => {
    const warren = await warrenOf()
    const handle = await warren.send(create, {}, { id: 'later', delayMs: 60_000 })
    await handle.cancel()
    expect(await warren.history.task('later')).toMatchObject({
      ...{ id: 'later', task: create.name, state: 'REVOKED' },
      attempts: [{ attempt: 0, state: 'REVOKED', error: { errorClass: 'TaskRevokedError', message: 'cancelled' } }],
    })
    expect(await listed(warren)).toEqual(['later REVOKED 0'])
  })

  it('is undefined for a task that the store does not know', async () => {
    const warren = await warrenOf()
    expect(await warren.history.task('nobody')).toBeUndefined()
  })
})

it('It reaches from the oldest entry to the newest', async () => {
  const warren = await warrenOf()
  expect(await warren.history.range()).toBeUndefined()
  await warren.send(create, {})
  await warren.advance(1_000)
  await warren.send(create, {})
  await warren.idle()
  expect(await warren.history.range()).toEqual({
    ...{ entries: 2, oldest: new Date('2026-01-01T12:00:00Z'), newest: new Date('2026-01-01T12:00:01Z') },
  })
})
