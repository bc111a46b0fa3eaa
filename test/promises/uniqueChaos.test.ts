/**
 * Unique keys in random order with all that happens to tasks: retries, dead letters and redrives, workers that go away in
 * the middle, senders that die before they know, replacements, cancelling. Whatever happens, no key is left behind, no task vanishes,
 * and no task is run twice at the same time.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, Reject, type UniqueOptions, type Warren, type Worker } from '../../src/index.js'
import type { Handle } from '../../src/send/handle.js'
import { uniqueKey } from '../../src/wire/names.js'
import { type ClusterUrls, consuming, until, virtualHost } from '../support/cluster.js'
import { type OwnStore, ownStore } from '../support/ownStore.js'

const SERVICE = 'chaos'
const task = defineTask({
  name: 'payment.unique.chaos',
  input: z.object({ does: z.array(z.enum(['return', 'throw', 'reject'])), ms: z.number() }),
  output: z.string(),
  retry: { maxAttempts: 3, backoff: 'fixed', initialDelayMs: 20 },
})

/** mulberry32: the same numbers for the same seed. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

let urls: ClusterUrls & { readonly vhost: string }
let store: OwnStore
let senders: Warren[]
let workers: Worker[] = []

const running = new Map<string, number>()
const ran = new Set<string>()
const overlaps: string[] = []

async function startWorker(): Promise<Worker> {
  const worker = (senders[0] as Warren).worker({ service: SERVICE, concurrency: 5 })
  worker.handle(task, async ({ does, ms }, { id, number, signal }) => {
    const others = running.get(id) ?? 0
    if (others > 0) overlaps.push(id)
    running.set(id, others + 1)
    ran.add(id)
    let over = false
    const end = (): void => {
      if (over) return
      over = true
      running.set(id, (running.get(id) ?? 1) - 1)
    }
    // One that is aborted counts for nothing any more, as the process of a killed one does.
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
    await new Promise((resolve) => setTimeout(resolve, ms))
    end()
    const what = does[Math.min(number, does.length) - 1]
    if (what === 'throw') throw new Error('told to fail')
    if (what === 'reject') throw new Reject('told to be rejected')
    return id
  })
  await consuming(worker)
  return worker
}

beforeAll(async () => {
  ;[urls, store] = await Promise.all([virtualHost(SERVICE, [task]), ownStore()])
  const open = () => connect({ broker: urls.broker, results: store.url, logger: false })
  senders = await Promise.all([open(), open()])
  workers = await Promise.all([startWorker(), startWorker()])
})
afterAll(() => Promise.all((senders ?? []).map((warren) => warren.close())))

const STEPS = 100
const KEYS = 6

it.each([1, 2])('seed %d', async (seed) => {
  const next = random(seed)
  const below = (count: number): number => Math.floor(next() * count)
  const oneOf = <T>(values: readonly T[]): T => values[below(values.length)] as T
  const handles: Handle<string>[] = []
  const refused: string[] = []
  const sends: Promise<unknown>[] = []
  const keyOf = (index: number): string => `seed ${seed} key ${index}`

  const send = (): void => {
    const unique: UniqueOptions = {
      key: keyOf(below(KEYS)),
      until: oneOf(['finished', 'finished', 'started', 200] as const),
      onConflict: oneOf(['existing', 'existing', 'replace', 'reject'] as const),
    }
    const does = Array.from({ length: 3 }, () => oneOf(['return', 'return', 'throw', 'reject'] as const))
    const sending = oneOf(senders).send(task, { does, ms: below(40) }, { unique, delayMs: oneOf([0, 0, 0, 100]) })
    sends.push(
      sending.then(
        (handle) => handles.push(handle),
        (error) => refused.push(error.code),
      ),
    )
  }
  const steps: readonly (() => unknown)[] = [
    ...Array.from({ length: 12 }, () => send),
    // A worker goes away in the middle of what it runs, and another comes.
    async () => {
      const [gone] = workers.splice(below(workers.length), 1)
      await gone?.stop({ gracePeriodMs: 0 })
      workers.push(await startWorker())
    },
    // A sender dies before it knows that its message is confirmed.
    async () => {
      const name = uniqueKey(urls.vhost, task.name, keyOf(below(KEYS)))
      if ((await store.admin.hget(name, 'state')) === 'sent')
        await store.admin.hset(name, 'state', 'pending', 'till', 0)
    },
    () => oneOf(senders).cancel({ task, key: keyOf(below(KEYS)) }),
    () => oneOf(senders).deadLetters({ domain: 'payment' }).redrive({}, { limit: 5 }),
  ]
  for (let step = 0; step < STEPS; step++) {
    await oneOf(steps)()
    await new Promise((resolve) => setTimeout(resolve, below(15)))
  }
  await Promise.all(sends)
  expect(new Set(refused)).toEqual(new Set(['UNIQUE_CONFLICT']))

  // No task vanishes: each handle sees an end.
  const ends = await Promise.allSettled(handles.map((handle) => handle.result({ timeoutMs: 50_000 })))
  const messages = ends.map((end) => (end.status === 'rejected' ? String(end.reason.message) : 'done'))
  expect(messages.filter((message) => /No result/.test(message))).toEqual([])
  handles.forEach(({ id }, index) => {
    if (!ran.has(id)) expect(messages[index], id).toMatch(/replaced by|cancelled/)
  })
  expect(overlaps).toEqual([])
  // No key is left behind.
  for (let index = 0; index < KEYS; index++) {
    const key = keyOf(index)
    await until(`${key} is free`, async () => {
      const handle = await (senders[0] as Warren).send(task, { does: ['return'], ms: 0 }, { unique: { key } })
      await handle.result({ timeoutMs: 20_000 }).catch(() => undefined)
      return !handle.existing
    })
  }
})
