/** The picture: it says how much it leaves out, draws no way that is not there, and fits a telephone. */
import { expect, it } from 'vitest'
import type { QueueView } from '../../console/queueViews.js'
import type { Snapshot } from '../../console/snapshot.js'

interface Shape {
  readonly key: string
  readonly class: string
  readonly text?: string
  readonly x?: number
  readonly width?: number
}
type LayOut = (moment: Snapshot, narrow: boolean) => { width: number; height: number; shapes: readonly Shape[] }
/** The page's own module has no build and no types. */
const MODULE = '../../console/page/panels/topologyLayout.js'
const { layOut } = (await import(MODULE)) as { layOut: LayOut }

const queue = (name: string, change: Partial<QueueView> = {}): QueueView => ({
  ...{ name, vhost: '/', type: 'quorum', role: 'task', state: 'running', leader: 'a', members: ['a'], online: ['a'] },
  ...{ ready: 1, unacknowledged: 0, consumers: 1, published: 1, delivered: 1, acknowledged: 1 },
  ...change,
})
const moment = (queues: readonly QueueView[], change: Partial<Snapshot> = {}): Snapshot => ({
  ...{ at: 0, cluster: 'c', version: '4.1.0', queues, rates: {}, latency: [] },
  nodes: [{ name: 'a', state: 'up', controlled: false, alarms: [], partitions: [] }],
  exchanges: [
    { name: 'shop.commands', vhost: '/', role: 'commands', published: 1, queues: queues.map(({ name }) => name) },
  ],
  workers: [{ name: 'w', state: 'connected', controlled: false, queues: [{ queue: 'mine', state: 'consuming' }] }],
  store: { name: 'result store', state: 'available', controlled: false },
  ...change,
})
const words = (shapes: readonly Shape[]) => shapes.map(({ text }) => text)
const of = (shapes: readonly Shape[], key: string) => shapes.find((each) => each.key === key)

it.each([false, true])('says how many queues, exchanges and workers it leaves out (narrow: %s)', (narrow) => {
  const queues = Array.from({ length: 12 }, (_, index) => queue(`q${index}`))
  const exchanges = Array.from({ length: 14 }, (_, index) => ({
    ...{ name: `e${index}`, vhost: '/', role: 'other' as const, queues: [] },
  }))
  const workers = Array.from({ length: 152 }, (_, index) => ({
    ...{ name: `w${index}`, state: 'running', controlled: true, queues: [] },
  }))
  const said = words(layOut(moment(queues, { exchanges, workers }), narrow).shapes)
  expect(said).toEqual(expect.arrayContaining(['+2 more queues in the table', '+4 more', '+3 more']))
  expect(words(layOut(moment(queues, { queuesInAll: 500 }), narrow).shapes)).toContain('+490 more queues in the table')
  expect(words(layOut(moment(queues.slice(0, 10)), narrow).shapes).join()).not.toContain('more')
})

it('lets only what the workers take flow into them; what others take flows to them', () => {
  const { shapes } = layOut(moment([queue('mine'), queue('theirs', { role: 'other', consumers: 3 })]), false)
  const end = (name: string) => (of(shapes, `line take /\n${name}`) as unknown as { d: string }).d.split(' ').at(-1)
  expect(end('mine')).not.toBe(end('theirs'))
  expect(words(shapes)).toEqual(expect.arrayContaining(['1 worker', 'others', '3 consumers']))
  const unread = layOut(moment([queue('q', { role: 'other', consumers: 0 })]), false)
  expect(of(unread.shapes, 'line take /\nq')).toBeUndefined()
  const none = layOut(moment([queue('mine', { consumers: 0 })], { workers: [] }), false)
  expect(of(none.shapes, 'line take /\nmine')).toBeUndefined()
})

it('shows two queues of one name in two virtual hosts as two', () => {
  const { shapes } = layOut(moment([queue('mine'), queue('mine', { vhost: 'other', ready: 7 })]), false)
  expect(words(shapes)).toEqual(expect.arrayContaining(['1', '7']))
})

it.each([false, true])('draws what is unknown as unknown, neither lost nor 0 (narrow: %s)', (narrow) => {
  const { ready: _, published: __, delivered: ___, ...rest } = queue('mine', { state: 'unknown' })
  const { shapes } = layOut(moment([rest], { workers: [], workersUnknown: true }), narrow)
  expect(of(shapes, 'chip a / mine')?.class).toContain('unknown')
  expect(shapes.filter((each) => / lost/.test(each.class))).toEqual([])
  expect(of(shapes, 'chip a / mine depth')?.text).toBe('–')
  expect(words(shapes).filter((text) => text !== undefined && /^0/.test(text))).toEqual([])
  const down = layOut(moment([queue('mine', { state: 'down' })]), narrow)
  expect(of(down.shapes, 'chip a / mine')?.class).toContain('lost')
})

it.each([false, true])('shows all delay levels as one box (narrow: %s)', (narrow) => {
  const levels = Array.from({ length: 24 }, (_, index) =>
    queue(`warren.delay.level.${index}`, { role: 'delay', ready: 2 }),
  )
  const said = words(layOut(moment([queue('mine'), ...levels]), narrow).shapes)
  expect(said).toEqual(expect.arrayContaining(['delayed', '48']))
  expect(said.filter((text) => text?.includes('warren.delay'))).toEqual([])
  expect(said.join()).not.toContain('more')
})

it('has nothing beyond the edge of a telephone', () => {
  const many = Array.from({ length: 30 }, (_, index) => queue(`quite.a.long.name.of.a.queue.${index}`))
  const proxy = { name: 'haproxy', state: 'running', controlled: false }
  const { width, shapes } = layOut(moment(many, { proxy }), true)
  expect(width).toBeLessThanOrEqual(375)
  for (const { x = 0, width: wide = 0, key } of shapes) expect(x + wide, key).toBeLessThanOrEqual(width)
})
