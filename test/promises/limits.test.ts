/** The promise: a limit holds over all workers, nobody is held up by another's limit, and nothing that waits is lost. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { type Entry, fenceOf, LimitKeys } from '../../src/control/limitKeys.js'
import {
  type AttemptContext,
  connect,
  defineTask,
  prepare,
  type Task,
  type Warren,
  type Worker,
} from '../../src/index.js'
import { placesKey } from '../../src/wire/names.js'
import { type ClusterUrls, consuming, until, virtualHost } from '../support/cluster.js'
import { command, jsonLines } from '../support/command.js'
import { atEnd, type OwnStore, ownStore } from '../support/ownStore.js'

const SERVICE = 'limits'
const RESULT = { timeoutMs: 30_000 }
const input = z.object({ key: z.string(), n: z.number() })
const key = (given: { key: string }): string => given.key
const define = (name: string, limit: Parameters<typeof defineTask>[0]['limit'], more = {}) =>
  defineTask({ name: `payment.limits.${name}`, input, output: z.number(), limit: limit as never, ...more })

const paced = define('paced', { rate: { count: 100, perMs: 1_000 } })
const byKey = define('byKey', { rate: { count: 4, perMs: 1_000 }, key } as never)
const places = define('places', { concurrency: 3, key, leaseMs: 2_000 } as never)
const single = define('single', { concurrency: 1, key, leaseMs: 2_000 } as never)
const drops = define('drops', { rate: { count: 2, perMs: 60_000, burst: 2 }, key, onLimit: 'drop' } as never)
const latest = define('latest', { concurrency: 1, key, onLimit: 'cancelRunning' } as never)
const free = define('free', undefined)
const all = [paced, byKey, places, single, drops, latest, free]

let urls: ClusterUrls & { readonly vhost: string }
let store: OwnStore
let warrens: Warren[]
let warren: Warren
let workers: Worker[] = []
const handlers = new Map<string, (given: Given, attempt: AttemptContext) => unknown>()

// One set of workers for all tests: each says what its task's handler does.
beforeAll(async () => {
  ;[urls, store] = await Promise.all([virtualHost(SERVICE, all), ownStore()])
  warrens = await Promise.all([1, 2, 3].map(() => open()))
  warren = warrens[0] as Warren
  atEnd(() => Promise.all(warrens.map((each) => each.close())))
  workers = warrens.map((each) => each.worker({ service: SERVICE, concurrency: 10 }))
  for (const worker of workers) {
    for (const task of all) {
      const handler = (given: Given, attempt: AttemptContext): unknown => handlers.get(task.name)?.(given, attempt)
      worker.handle(task as Task, handler as never)
    }
  }
  await Promise.all(workers.map(consuming))
})
afterAll(() => Promise.all((warrens ?? []).map((each) => each.close())))

const open = (): Promise<Warren> => connect({ broker: urls.broker, results: store.url, logger: false })
type Given = { key: string; n: number }

const work = (task: Task, handler: (given: Given, attempt: AttemptContext) => unknown): void =>
  void handlers.set(task.name, handler)

/** Counts what limits do to the messages of a task. Returns a function that ends it. */
function follow(task: Task, take: (event: { id: string; by: string; action: string }) => void): () => void {
  const listener = (event: { task: string; id: string; by: string; action: string }): void => {
    if (event.task === task.name) take(event)
  }
  for (const worker of workers) worker.on('limited', listener)
  return () => {
    for (const worker of workers) worker.off('limited', listener)
  }
}

const range = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

/** The most of these instants that are within any so many milliseconds. */
const most = (instants: readonly number[], ms: number): number =>
  Math.max(...instants.map((from) => instants.filter((at) => at >= from && at < from + ms).length))

it('a rate of the task holds over all workers', async () => {
  const startedAt: number[] = []
  work(paced, ({ n }) => {
    startedAt.push(performance.now())
    return n
  })
  const results: Promise<number>[] = []
  await warren.sendMany(
    paced,
    range(130).map((n) => ({ key: '', n })),
    { onSent: (handle) => void results.push(handle.result(RESULT)) },
  )
  expect((await Promise.all(results)).length).toBe(130)
  expect(startedAt.length).toBe(130)
  expect(most(startedAt, 1_000)).toBeLessThanOrEqual(105)
})

it('of a rate for each key, one that is flooded waits in the delay levels once, and holds up no other', async () => {
  const startedAt = new Map<string, number[]>()
  const ran: number[] = []
  work(byKey, ({ key, n }) => {
    startedAt.set(key, [...(startedAt.get(key) ?? []), performance.now()])
    ran.push(n)
    return n
  })
  const delayed = new Map<string, number>()
  const stop = follow(byKey, ({ id, action }) => {
    if (action === 'delayed') delayed.set(id, (delayed.get(id) ?? 0) + 1)
  })
  const noisy = await Promise.all(range(15).map((n) => warren.send(byKey, { key: 'noisy', n })))
  const others = await Promise.all(range(20).map((n) => warren.send(byKey, { key: `quiet ${n}`, n: 100 + n })))
  await Promise.all(others.map((handle) => handle.result(RESULT)))
  expect(ran.filter((n) => n < 100).length).toBeLessThan(12)
  await Promise.all(noisy.map((handle) => handle.result(RESULT)))
  expect(most(startedAt.get('noisy') ?? [], 1_000)).toBeLessThanOrEqual(5)
  // The sender has seen to it; more than one more wait would be a loop.
  expect(Math.max(0, ...delayed.values())).toBeLessThanOrEqual(1)
  stop()
})

it('what comes without a start of its sender waits in the delay levels, too', async () => {
  const startedAt: number[] = []
  work(byKey, ({ n }) => {
    startedAt.push(performance.now())
    return n
  })
  const delayed = new Map<string, number>()
  const stop = follow(byKey, ({ id, action }) => {
    if (action === 'delayed') delayed.set(id, (delayed.get(id) ?? 0) + 1)
  })
  const messages = await Promise.all(range(12).map((n) => prepare(byKey, { key: 'prepared', n })))
  await Promise.all(messages.map((message) => warren.publishPrepared(message)))
  await Promise.all(messages.map(({ id }) => warren.handle(byKey, id).result(RESULT)))
  expect(most(startedAt, 1_000)).toBeLessThanOrEqual(5)
  expect(delayed.size).toBeGreaterThan(2)
  expect(Math.max(...delayed.values())).toBeLessThanOrEqual(2)
  stop()
})

it('a place is held by no more than the limit, and each holder has a greater number', async () => {
  const running = new Map<string, number>()
  const fences = new Map<string, number[]>()
  let tooMany = 0
  work(places, async ({ key, n }, { fence }) => {
    const now = (running.get(key) ?? 0) + 1
    running.set(key, now)
    if (now > 3) tooMany++
    fences.set(key, [...(fences.get(key) ?? []), fence as number])
    await new Promise((resolve) => setTimeout(resolve, 30))
    running.set(key, (running.get(key) ?? 0) - 1)
    return n
  })
  const sends = range(45).map((n) => warren.send(places, { key: n % 3 === 0 ? 'a' : 'b', n }))
  await Promise.all((await Promise.all(sends)).map((handle) => handle.result(RESULT)))
  expect(tooMany).toBe(0)
  for (const each of fences.values()) {
    expect(new Set(each).size).toBe(each.length)
    expect(each.every(Number.isSafeInteger)).toBe(true)
  }
})

it('with one place, handlers begin in the order of their numbers', async () => {
  const fences: number[] = []
  let running = 0
  work(single, async ({ n }, { fence }) => {
    expect(++running).toBe(1)
    fences.push(fence as number)
    await new Promise((resolve) => setTimeout(resolve, 10))
    running--
    return n
  })
  const sends = range(20).map((n) => warren.send(single, { key: 'a', n }))
  await Promise.all((await Promise.all(sends)).map((handle) => handle.result(RESULT)))
  expect(fences).toEqual([...fences].sort((a, b) => a - b))
  expect(new Set(fences).size).toBe(20)
})

it('a place that another held in between is lost, although it is free again', async () => {
  const asked = { ask: (ask: (commands: unknown) => unknown) => ask(store.admin) }
  const keys = new LimitKeys(asked as never, urls.vhost)
  const [owner, count] = [
    { task: places.name, key: 'between' },
    { count: 1, leaseMs: 2_000 },
  ]
  const place = (entry: Entry): string => (entry as { place: string }).place
  const first = place(await keys.enter(owner, count, { id: 'first', sent: 1 }, 'wait'))
  await store.admin.zrem(placesKey(urls.vhost, places.name, ':between'), first)
  // Nobody has held it since: it goes on.
  expect(await keys.renew(owner, first, count, 3_000)).toBe(true)
  await store.admin.zrem(placesKey(urls.vhost, places.name, ':between'), first)
  const second = place(await keys.enter(owner, count, { id: 'second', sent: 2 }, 'wait'))
  expect(fenceOf(second)).toBeGreaterThan(fenceOf(first))
  await keys.leave(owner, second, true)
  expect(await keys.renew(owner, first, count, 3_000)).toBe(false)
})

it('the place of a worker that died is free after its lease', async () => {
  const place = placesKey(urls.vhost, places.name, ':dead')
  const now = Date.now()
  await store.admin.zadd(place, ...[1, 2, 3].flatMap((n) => [now + 1_000, `${now * 1000 + n}:0:dead-${n}`]))
  work(places, ({ n }) => n)
  const held = await warren.limits.holders({ task: places, key: 'dead' })
  expect(held.map(({ id }) => id)).toEqual(['dead-1', 'dead-2', 'dead-3'])
  const handle = await warren.send(places, { key: 'dead', n: 7 })
  expect(await handle.result(RESULT)).toBe(7)
  expect(Date.now()).toBeGreaterThanOrEqual(now + 1_000)
})

it('one that lost its place is aborted, and run again', async () => {
  const place = placesKey(urls.vhost, places.name, ':late')
  const reasons: unknown[] = []
  work(places, async ({ n }, { signal }) => {
    if (reasons.length === 0) {
      await store.admin.del(place)
      const until = Date.now() + 1_500
      await store.admin.zadd(
        place,
        ...[1, 2, 3].flatMap((each) => [until, `${Date.now() * 1000 + each}:0:other-${each}`]),
      )
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    return n
  })
  for (const worker of workers) {
    worker.on('attemptFinished', ({ task, outcome }) => {
      if (task === places.name && outcome === 'postponed') reasons.push(outcome)
    })
  }
  const handle = await warren.send(places, { key: 'late', n: 8 })
  expect(await handle.result(RESULT)).toBe(8)
  expect(reasons.length).toBeGreaterThan(0)
})

it('what a limit drops is REVOKED, and says why', async () => {
  let ran = 0
  work(drops, ({ n }) => {
    ran++
    return n
  })
  const handles = await Promise.all(range(5).map((n) => warren.send(drops, { key: 'one', n })))
  const ends = await Promise.allSettled(handles.map((handle) => handle.result(RESULT)))
  expect(ends.filter(({ status }) => status === 'fulfilled').length).toBe(2)
  expect(ran).toBe(2)
  const refused = ends.find(({ status }) => status === 'rejected') as PromiseRejectedResult
  expect(refused.reason).toMatchObject({ message: expect.stringContaining('over its limit of 2 in 60000 ms') })
})

it('with cancelRunning the latest is run, and the one before it is cancelled', async () => {
  work(latest, async ({ n }, { signal }) => {
    if (n === 3) return n
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    return n
  })
  const handles = []
  for (const n of [1, 2, 3]) {
    const handle = await warren.send(latest, { key: 'same', n })
    handles.push(handle)
    if (n < 3) {
      await until('it runs', async () =>
        (await warren.limits.holders({ task: latest, key: 'same' })).some(({ id }) => id === handle.id),
      )
    }
  }
  expect(await handles[2]?.result(RESULT)).toBe(3)
  for (const handle of handles.slice(0, 2)) expect(await handle.state()).toMatchObject({ status: 'REVOKED' })
})

it('a limit that is set live holds at once, for a task without one, too, and is listed until it is cleared', async () => {
  const startedAt: number[] = []
  work(free, ({ n }) => {
    startedAt.push(performance.now())
    return n
  })
  await (await warren.send(free, { key: '', n: 0 })).result(RESULT)
  await warren.limits.set({ task: free }, { rate: { count: 20, perMs: 1_000 } })
  const set = { task: free.name, source: 'set', rate: { count: 20, perMs: 1_000, burst: 1 }, since: expect.any(Date) }
  expect(await warren.limits.list()).toContainEqual(set)
  const declared = { task: byKey.name, source: 'declared', rate: { count: 4, perMs: 1_000, burst: 1 }, perKey: true }
  expect(await warren.limits.list()).toContainEqual(declared)
  startedAt.length = 0
  const handles = await Promise.all(range(30).map((n) => warren.send(free, { key: '', n })))
  await Promise.all(handles.map((handle) => handle.result(RESULT)))
  // The first may have come before the workers heard of it.
  expect(most(startedAt.slice(-25), 1_000)).toBeLessThanOrEqual(22)
  expect(await warren.limits.clear({ task: free })).toBe(true)
  expect(await warren.limits.clear({ task: free })).toBe(false)
  expect((await warren.limits.list()).filter(({ source }) => source === 'set')).toEqual([])
})

it('the command line sets, lists and clears', async () => {
  const limit = (...words: string[]) => command('limit', ...words, '--broker', urls.broker, '--results', store.url)
  const set = { task: free.name, key: 'k', rate: { count: 5, perMs: 60_000, burst: 2 }, concurrency: 3 }
  const flags = ['--key', 'k', '--rate', '5/1m', '--burst', '2', '--concurrency', '3', '--json']
  expect(jsonLines((await limit('set', free.name, ...flags)).out)[0]).toEqual({ event: 'set', ...set })
  const lines = jsonLines((await limit('list', '--json')).out)
  expect(lines).toContainEqual({ event: 'limit', source: 'set', since: expect.any(String), ...set })
  expect((await limit('list')).out).toContain('5 in 60000 ms, burst 2')
  expect((await limit('set', free.name, '--rate', 'fast')).code).toBe(2)
  expect((await limit('clear', free.name, '--key', 'k')).code).toBe(0)
  expect((await limit('clear', free.name, '--key', 'k')).code).toBe(1)
})

it('while the store is away, a task with a limit waits, and then runs', async () => {
  let ran = 0
  work(byKey, ({ n }) => {
    ran++
    return n
  })
  store.process.freeze()
  const handle = warren.send(byKey, { key: 'away', n: 5 })
  try {
    const held = new Promise((resolve) => follow(byKey, ({ by }) => by === 'store' && resolve(by)))
    expect(await held).toBe('store')
    expect(ran).toBe(0)
  } finally {
    store.process.thaw()
  }
  expect(await (await handle).result(RESULT)).toBe(5)
})
