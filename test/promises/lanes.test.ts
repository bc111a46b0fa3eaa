/** The promise: what is urgent does not wait behind what is not, and messages of one key run in the order they were sent. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, type Handle, prepare, Reject, type Warren, type Worker } from '../../src/index.js'
import { pause } from '../../src/timers.js'
import { type ClusterUrls, consuming, deadLetters, isSince, until, virtualHost, waiting } from '../support/cluster.js'

const SERVICE = 'lanes'
const RESULT = { timeoutMs: 30_000 }
const input = z.object({ key: z.string(), n: z.number() })
const urgent = defineTask({ name: 'payment.lanes.urgent', input, output: z.string(), priority: true })
const ordered = defineTask({
  name: 'payment.lanes.ordered',
  input,
  output: z.number(),
  order: { key: ({ key }) => key, partitions: 3 },
  retry: { maxAttempts: 3, backoff: 'fixed', initialDelayMs: 30 },
})
const plain = defineTask({ name: 'payment.lanes.plain', input })

let urls: ClusterUrls & { readonly vhost: string }
let warrens: Warren[]
let warren: Warren
let workers: Worker[] = []

beforeAll(async () => {
  urls = await virtualHost(SERVICE, [urgent, ordered, plain])
  warrens = await Promise.all([1, 2].map(() => connect({ broker: urls.broker, results: urls.results, logger: false })))
  warren = warrens[0] as Warren
})
afterAll(() => Promise.all((warrens ?? []).map((each) => each.close())))
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop({ gracePeriodMs: 0 })))
  workers = []
})

it('of messages that wait, those of a high priority run first, and those of a low one are not forgotten', async () => {
  const [EACH, WORK_MS] = [20, 10]
  const ran: string[] = []
  const start = async () => {
    // A worker can only choose among what it has: all that waits, and tasks that last longer than a round trip.
    const worker = warren.worker({ service: SERVICE, concurrency: 1, prefetch: EACH })
    workers.push(
      worker.handle(urgent, async ({ key }) => {
        ran.push(key)
        await pause(WORK_MS)
        return key
      }),
    )
    await consuming(worker)
    return worker
  }
  // Declares the queues.
  await (await start()).stop()
  const priorities = ['low', 'normal', 'high'] as const
  const handles: Handle<string>[] = []
  for (const priority of priorities) {
    for (let n = 0; n < EACH; n++) handles.push(await warren.send(urgent, { key: priority, n }, { priority }))
  }
  await start()
  await Promise.all(handles.map((handle) => handle.result(RESULT)))
  const meanPlace = (priority: string): number => {
    const places = ran.flatMap((each, place) => (each === priority ? [place] : []))
    return places.reduce((sum, place) => sum + place, 0) / places.length
  }
  expect(ran.length).toBe(60)
  expect(meanPlace('high')).toBeLessThan(meanPlace('normal'))
  expect(meanPlace('normal')).toBeLessThan(meanPlace('low'))
  // Weighted where the queues are Warren's own; strict where the broker orders them.
  if (!(await isSince(4, 3))) expect(ran.slice(0, 40)).toContain('low')
  const { result } = await warren
    .send(urgent, { key: 'later', n: 0 }, { priority: 'high', delayMs: 1_600 })
    .then((handle) => ({ result: handle.result(RESULT) }))
  expect(await result).toBe('later')
  await warren.publishPrepared(await prepare(urgent, { key: 'prepared', n: 0 }, { priority: 'low' }))
  await until('the prepared one ran', () => ran.includes('prepared'))
})

it('a priority is refused of a task that has none', async () => {
  await expect(warren.send(plain, { key: '', n: 0 }, { priority: 'high' })).rejects.toThrow(
    /expected `priority` only of a task that is defined with priority: true: payment\.lanes\.plain/,
  )
  expect(() => defineTask({ ...plain, name: 'a.b', priority: true, order: { key: () => '' } } as never)).toThrow()
})

it('messages of one key run one after the other, in their order, also when they fail and when workers stop', async () => {
  const ran = new Map<string, number[]>()
  const running = new Map<string, number>()
  let overlaps = 0
  let failed = 0
  const start = async (of: Warren) => {
    const worker = of.worker({ service: SERVICE, concurrency: 10 })
    worker.handle(ordered, async ({ key, n }, { number }) => {
      const now = (running.get(key) ?? 0) + 1
      running.set(key, now)
      if (now > 1) overlaps++
      await new Promise((resolve) => setTimeout(resolve, 2))
      running.set(key, now - 1)
      if (n % 7 === 3 && number < 3) {
        failed++
        throw new Error('told to fail twice')
      }
      ran.set(key, [...(ran.get(key) ?? []), n])
      return n
    })
    await consuming(worker)
    workers.push(worker)
    return worker
  }
  const [first] = await Promise.all(warrens.map(start))
  const keys = ['a', 'b', 'c', 'd', 'e']
  const handles: Promise<number>[] = []
  for (let n = 0; n < 16; n++) {
    // The keys have no order among each other.
    const sent = await Promise.all(keys.map((key) => warren.send(ordered, { key, n })))
    handles.push(...sent.map((handle) => handle.result(RESULT)))
    if (n === 8) await first?.stop()
  }
  await Promise.all(handles)
  for (const key of keys) expect(ran.get(key)).toEqual(Array.from({ length: 16 }, (_, n) => n))
  expect(overlaps).toBe(0)
  expect(failed).toBeGreaterThanOrEqual(2 * 2 * keys.length)
})

it('a poison message is dead-lettered after its attempts, and its partition goes on', async () => {
  const ran: number[] = []
  const worker = warren.worker({ service: SERVICE, concurrency: 10 })
  worker.handle(ordered, ({ n }) => {
    if (n === 1) throw new Error('always')
    if (n === 2) throw new Reject('never')
    ran.push(n)
    return n
  })
  workers.push(worker)
  await consuming(worker)
  const handles = []
  for (const n of [0, 1, 2, 3]) handles.push(await warren.send(ordered, { key: 'poison', n }))
  const ends = await Promise.allSettled(handles.map((handle) => handle.result(RESULT)))
  expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled'])
  expect(ran).toEqual([0, 3])
  const letters = await deadLetters(urls.vhost, 'payment.dlq')
  expect(letters.map(({ properties }) => properties.headers?.['x-warren-attempts']).sort()).toEqual([1, 3])
  for (let partition = 0; partition < 3; partition++) {
    expect(await waiting(urls.broker, `${ordered.name}.${SERVICE}@${partition}`)).toBe(0)
  }
})
