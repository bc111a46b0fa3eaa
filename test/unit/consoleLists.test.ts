/** The console's lists: filtered, sorted and paged on the server, and quick enough for a large cluster. */
import { expect, it } from 'vitest'
import { errorOf, groupsOf } from '../../console/letterGroups.js'
import { inputOf } from '../../console/letterInput.js'
import type { Moment } from '../../console/observer.js'
import { overviewOf } from '../../console/overview.js'
import { askedPage } from '../../console/paging.js'
import { listQueues, queueQuery } from '../../console/queueList.js'
import { QueueTrends } from '../../console/queueTrends.js'
import type { QueueView } from '../../console/queueViews.js'
import { deadLettering } from '../../console/troubles.js'
import { listWorkers } from '../../console/workerList.js'

const queue = (name: string, more: Partial<QueueView> = {}): QueueView => ({
  ...{ name, vhost: '/', type: 'quorum', role: 'task', state: 'running', leader: 'a', members: ['a'], online: ['a'] },
  ...{ ready: 0, unacknowledged: 0, consumers: 1, published: 1, delivered: 1, acknowledged: 1 },
  ...more,
})
const moment = (queues: readonly QueueView[], more: Partial<Moment> = {}): Moment => ({
  ...{
    at: 0,
    cluster: 'c',
    version: '4.1.0',
    nodes: [],
    exchanges: [],
    queues,
    workers: [],
    rates: {},
    latency: [],
    ages: {},
  },
  ...more,
})
const sourcesOf = (now: Moment) => ({ moment: now, trends: new QueueTrends(), paused: [], vhost: '/' })
const list = (queues: readonly QueueView[], query: Record<string, string>) =>
  listQueues(sourcesOf(moment(queues)), queueQuery(query), askedPage(query))
const names = ({ items }: { items: readonly { name: string }[] }) => items.map(({ name }) => name)

it('Queues are found by words, kind and state, and paged after that', () => {
  const queues = Array.from({ length: 120 }, (_, index) =>
    queue(`shop.item.${index}`, { service: 'till', ready: index }),
  )
  expect(list(queues, { size: '50', page: '3' })).toMatchObject({ page: 3, total: 120, inAll: 120 })
  expect(list(queues, { size: '50', page: '9' }).page).toBe(3)
  expect(names(list(queues, { q: 'ITEM till 11', sort: 'ready', dir: 'down' })).slice(0, 2)).toEqual([
    'shop.item.119',
    'shop.item.118',
  ])
  expect(list(queues, { state: 'waiting' }).total).toBe(119)
  expect(list(queues, { role: 'deadLetters' }).total).toBe(0)
  for (const bad of [{ page: '0' }, { size: '1000' }, { page: 'x' }])
    expect(() => list(queues, bad as never)).toThrow('whole number')
})

it('What is not known stands last, whichever way a list is sorted, and is in no backlog', () => {
  const { ready: _, ...dark } = queue('dark', { state: 'unknown' })
  const all = [dark, queue('one', { ready: 1 }), queue('two', { ready: 2 })]
  expect(names(list(all, { sort: 'ready', dir: 'down' }))).toEqual(['two', 'one', 'dark'])
  expect(names(list(all, { sort: 'ready', dir: 'up' }))).toEqual(['one', 'two', 'dark'])
  expect(names(list(all, { state: 'waiting' }))).toEqual(['one', 'two'])
  expect(names(list(all, { state: 'trouble' }))).toEqual([])
})

it('A missing exchange for dead letters is a trouble, one that is only not known is none', () => {
  const shop = queue('shop.item.sell.till', { task: 'shop.item.sell', service: 'till', deadLetterExchange: 'shop.dlx' })
  const texts = (now: Moment) => overviewOf(now, '/', []).troubles.map(({ text }) => text)
  expect(texts(moment([shop]))[0]).toContain('shop.dlx is missing: what dies in shop.item.sell.till has no place to go')
  expect(texts(moment([shop], { exchangesUnknown: true }))).toEqual([])
  const exchange = { name: 'shop.dlx', vhost: '/', role: 'deadLetters' as const, queues: ['shop.dlq'] }
  expect(texts(moment([shop], { exchanges: [exchange] }))).toEqual([])
  expect(deadLettering({ exchanges: [{ ...exchange, queues: [] }] }, shop)).toBe('unbound')
})

it('An overview has no figure that is not known', () => {
  const { ready: _, ...dark } = queue('user.dlq', { role: 'deadLetters', state: 'unknown' })
  const { dead, ready, delayed, workers } = overviewOf(moment([dark], { workersUnknown: true }), '/', undefined)
  expect([dead, ready, workers]).toEqual([undefined, undefined, { silent: 0 }])
  expect(delayed).toBe(0)
  expect(overviewOf(moment([], { problem: 'refused' }), '/', undefined)).not.toHaveProperty('delayed')
})

it('A thousand queues and two hundred workers are listed in some milliseconds, and sent a page at a time', () => {
  const queues = Array.from({ length: 1_000 }, (_, index) => queue(`domain${index % 20}.item.do.service${index}`))
  const workers = Array.from({ length: 200 }, (_, index) => ({
    ...{ name: `worker-${index}`, state: 'connected', controlled: false },
    queues: [{ queue: `domain${index % 20}.item.do.service${index}`, state: 'consuming' }],
  }))
  const now = moment(queues, { workers })
  const from = performance.now()
  const page = listQueues(sourcesOf(now), queueQuery({ q: 'service99' }), askedPage({}))
  const found = listWorkers(now, { q: 'worker-19' }, askedPage({}))
  const sent = JSON.stringify(overviewOf(now, '/', []))
  expect(performance.now() - from).toBeLessThan(500)
  expect([page.total, found.total]).toEqual([11, 11])
  expect(sent.length).toBeLessThan(10_000)
})

it('The trends of queues are bounded, and go with their queues', () => {
  const trends = new QueueTrends()
  for (let second = 0; second < 4_000; second += 5) trends.look(second * 1_000, [queue('q', { ready: second })])
  expect(trends.rows({ vhost: '/', name: 'q' })).toHaveLength(120)
  trends.look(5_000_000, [])
  expect(trends.rows({ vhost: '/', name: 'q' })).toEqual([])
})

it('Dead letters of one error are one group, whatever numbers and ids its text has', () => {
  const letter = (errorMessage: string, diedAt: string) => ({
    ...{ reason: 'failed', task: 'a.b.c', diedAt },
    error: errorOf({ reason: 'failed', errorClass: 'E', errorMessage }),
  })
  const groups = groupsOf([
    letter('order 4711 of 0b0e8a52-3c39-4a3c-9a5c-0f2b6f1f6a53 is gone', '2026-01-02'),
    letter('order 12.5 of 1b0e8a52-3c39-4a3c-9a5c-0f2b6f1f6a53 is gone', '2026-01-01'),
    letter('no such customer', '2026-01-03'),
  ])
  expect(groups).toEqual([
    {
      error: 'E: order # of # is gone',
      reason: 'failed',
      count: 2,
      tasks: ['a.b.c'],
      from: '2026-01-01',
      to: '2026-01-02',
    },
    {
      error: 'E: no such customer',
      reason: 'failed',
      count: 1,
      tasks: ['a.b.c'],
      from: '2026-01-03',
      to: '2026-01-03',
    },
  ])
  expect(errorOf({ reason: 'expired', errorClass: undefined, errorMessage: undefined })).toBe('expired')
})

it('The input of a dead letter is what its handler would be given; what is no envelope is shown as it is', () => {
  const of = (value: unknown) => inputOf(Buffer.from(JSON.stringify(value)))
  expect(of([[], { a: 1 }, {}])).toEqual({ a: 1 })
  expect(of([[7], {}, {}])).toBe(7)
  expect(of([[1, 2], { a: 1 }, {}])).toEqual({ args: [1, 2], kwargs: { a: 1 } })
  for (const other of [{ a: 1 }, [1, 2], 'text', null]) expect(of(other)).toBeUndefined()
  expect(inputOf(Buffer.from([0xff, 0xfe]))).toBeUndefined()
})
