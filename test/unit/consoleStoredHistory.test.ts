/** A search of the history for the console: an id, a name or a part of an error, and what is said while more is to be looked at. */
import { expect, it } from 'vitest'
import { ProcessNames } from '../../console/processNames.js'
import { StoredHistory } from '../../console/storedHistory.js'
import type { TaskSearch } from '../../console/taskHistory.js'
import type { HistoryPage, HistoryQuery, Warren } from '../../src/index.js'

const AT = new Date('2026-01-02T03:04:05.000Z')
const entry = (id: string): HistoryPage['entries'][number] => ({ id, state: 'FAILURE', attempt: 1, run: 0, at: AT })
const found = (ids: readonly string[], more: Partial<HistoryPage> = {}): HistoryPage => ({
  entries: ids.map(entry),
  ...more,
})

type Way = 'id' | 'task' | 'search'
/** Answers each way to search as it is told, and keeps what it was asked. */
function history(
  answers: Partial<Record<Way, (cursor: string | undefined) => HistoryPage | Promise<HistoryPage>>>,
  doneAt?: Date,
) {
  const asked: HistoryQuery[] = []
  const tasks = async (query: HistoryQuery): Promise<HistoryPage> => {
    asked.push(query)
    const way = (['id', 'task', 'search'] as const).find((each) => query[each] !== undefined) ?? 'search'
    return answers[way]?.(query.cursor) ?? found([])
  }
  const state = async () => (doneAt === undefined ? undefined : { doneAt })
  const warren = { state, history: { tasks, range: async () => ({}) } } as unknown as Warren
  const stored = new StoredHistory(
    async () => warren,
    { find: () => Promise.reject(new Error('there is a history')) },
    new ProcessNames(),
  )
  const ask = (search: Partial<TaskSearch>) => stored.find({ size: 50, ...search })
  return { ask, asked }
}
const ids = (page: { readonly items: readonly { readonly id: string }[] }) => page.items.map(({ id }) => id)

it('An id is answered as soon as it is found, whatever the search for errors takes', async () => {
  const { ask, asked } = history({ id: () => found(['some-id']), search: () => new Promise(() => undefined) })
  expect(await ask({ q: 'some-id' })).toMatchObject({ items: [{ id: 'some-id' }], source: 'history' })
  expect(asked.map(({ id, limit }) => [id, limit])).toEqual([
    ['some-id', 1],
    [undefined, 50],
  ])
})

it('An id whose result is kept is looked for where it ended, and nowhere else', async () => {
  const { ask, asked } = history({ id: () => found(['done-id']) }, AT)
  expect(ids(await ask({ q: 'done-id' }))).toEqual(['done-id'])
  expect(asked).toHaveLength(1)
  const [{ since, until } = {}] = asked
  expect([since, until]).toEqual([new Date(AT.getTime() - 2_000), new Date(AT.getTime() + 2_000)])
  // Outside the time that is asked for, it is searched for as any other.
  await ask({ q: 'done-id', until: AT.getTime() - 120_000 })
  expect(asked).toHaveLength(3)
})

it('An id that is not found yet is looked for on the next page, and the page says how far it came', async () => {
  const { ask, asked } = history({
    id: (cursor) => (cursor === undefined ? found([], { cursor: '7-1.0', searchedTo: AT }) : found(['old-id'])),
  })
  const first = await ask({ q: 'old-id' })
  expect([ids(first), first.searchedTo]).toEqual([[], AT.toISOString()])
  const next = await ask({ q: 'old-id', after: first.next ?? '' })
  expect([ids(next), next.next]).toEqual([['old-id'], undefined])
  // The search for errors had come to its end.
  expect(asked.at(-1)).toMatchObject({ id: 'old-id', cursor: '7-1.0' })
  expect(asked).toHaveLength(3)
})

it('What is found by name and by error is one page, each task once, and each way goes on where it was', async () => {
  const { ask, asked } = history({
    task: () => found(['one', 'two'], { cursor: '9-1.2', searchedTo: AT }),
    search: () => found(['two', 'three'], { cursor: '8-1.0', searchedTo: new Date(AT.getTime() - 1_000) }),
  })
  const page = await ask({ q: 'user.account.create' })
  expect(ids(page)).toEqual(['one', 'two', 'three'])
  // Everything newer than this was looked at in both ways.
  expect(page.searchedTo).toBe(AT.toISOString())
  await ask({ q: 'user.account.create', after: page.next ?? '' })
  expect(asked.slice(-2).map(({ task, search, cursor }) => [task ?? search, cursor])).toEqual([
    ['user.account.create', '9-1.2'],
    ['user.account.create', '8-1.0'],
  ])
})

it('A place that no search ended at is refused, and a failure of the store is one of the search', async () => {
  const { ask } = history({ search: () => Promise.reject(new Error('away')) })
  await expect(ask({ q: 'word', after: 'nowhere' })).rejects.toMatchObject({ status: 400 })
  await expect(ask({ q: 'word' })).rejects.toThrow('away')
})
