/** The promise: a task that is sent for later waits in the broker, runs once, and never before it is due. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import {
  connect,
  DELAY_UNROUTABLE,
  type DeadLetter,
  defineTask,
  taskQueue,
  type Warren,
  type Worker,
} from '../../src/index.js'
import { delayLevel, dueMark, headers } from '../../src/wire/names.js'
import { type ClusterUrls, consuming, manage, until, virtualHost, waiting } from '../support/cluster.js'

const SERVICE = 'sending-later'
const RESULT = { timeoutMs: 30_000 }
const input = z.object({ what: z.string() })
const retry = { maxAttempts: 6, initialDelayMs: 100, backoff: 'fixed' as const }
const plain = defineTask({ name: 'payment.sent.plain', input, output: z.number(), retry })
const doomed = defineTask({ name: 'payment.sent.doomed', input, output: z.number() })
const nobody = defineTask({ name: 'payment.sent.nobody', input })

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
let worker: Worker
const ran: { id: string; what: string; number: number; at: number }[] = []
const runsOf = (what: string): readonly (typeof ran)[number][] => ran.filter((each) => each.what === what)

beforeAll(async () => {
  urls = await virtualHost(SERVICE, [plain, doomed, nobody])
  warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  worker = warren.worker({ service: SERVICE, concurrency: 2 }).handle(plain, ({ what }, { id, number }) => {
    ran.push({ id, what, number, at: Date.now() })
    if (number <= Number(/fails (\d)/.exec(what)?.[1] ?? 0)) throw new Error(`attempt ${number} was told to fail`)
    return number
  })
  await consuming(worker)
})
afterAll(() => warren?.close())

it('waits in a delay level, holds no place, and runs when it is due and not before', async () => {
  const before = Date.now()
  const handle = await warren.send(plain, { what: 'in three seconds' }, { delayMs: 3_100 })
  expect(handle.due?.getTime()).toBeGreaterThanOrEqual(before + 3_100)
  // The broker's count may lag behind its confirm.
  await until('it waits in its level', async () => (await waiting(urls.broker, delayLevel(1))) === 1)
  expect(worker.health().held).toBe(0)
  const now = await warren.send(plain, { what: 'now' })
  expect(now.due).toBeUndefined()
  expect(await now.result(RESULT)).toBe(1)
  expect(runsOf('in three seconds')).toEqual([])
  expect(await handle.result(RESULT)).toBe(1)
  expect(runsOf('in three seconds')).toHaveLength(1)
  expect(runsOf('in three seconds')[0]?.at).toBeGreaterThanOrEqual(handle.due?.getTime() ?? 0)
})

it('a short delay is held by the worker, and one that is over or none runs at once', async () => {
  const at = new Date(Date.now() + 700)
  const short = await warren.send(plain, { what: 'short' }, { at })
  expect(short.due).toEqual(at)
  expect(short.due).not.toBe(at)
  const past = await warren.send(plain, { what: 'past' }, { at: new Date(0) })
  const zero = await warren.send(plain, { what: 'zero' }, { delayMs: 0 })
  expect([past.due, zero.due]).toEqual([undefined, undefined])
  await Promise.all([past, zero, short].map((handle) => handle.result(RESULT)))
  expect(runsOf('short')[0]?.at).toBeGreaterThanOrEqual(at.getTime())
})

it('sendMany delays each input by itself', async () => {
  const delays = [1_600, 0, 900, 1_700, 400]
  const handles: { id: string; due: Date | undefined }[] = []
  const inputs = delays.map((_, index) => ({ what: `many ${index}` }))
  const summary = await warren.sendMany(plain, inputs, {
    options: (_input, index) => ({ delayMs: delays[index] }),
    onSent: (handle, index) => {
      handles[index] = handle
    },
  })
  expect(summary).toEqual({ sent: 5, failed: 0 })
  await until('all ran', () => inputs.every(({ what }) => runsOf(what).length > 0))
  inputs.forEach(({ what }, index) => {
    expect(runsOf(what)).toHaveLength(1)
    expect(runsOf(what)[0]?.at).toBeGreaterThanOrEqual(handles[index]?.due?.getTime() ?? 0)
  })
})

it('a delayed task that fails five times is retried five times', async () => {
  const handle = await warren.send(plain, { what: 'fails 5' }, { delayMs: 1_600 })
  expect(await handle.result(RESULT)).toBe(6)
  expect(runsOf('fails 5').map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6])
})

it('what no queue takes is refused, also when it would be due in an hour; once there is a queue, it is taken', async () => {
  const later = { delayMs: 3_600_000 }
  await expect(warren.send(nobody, { what: 'first' }, later)).rejects.toMatchObject({ code: 'UNROUTABLE' })
  await expect(warren.send(nobody, { what: 'again' }, { delayMs: 5 })).rejects.toMatchObject({ code: 'UNROUTABLE' })
  const other = warren.worker({ service: SERVICE }).handle(nobody, () => undefined)
  await consuming(other)
  await other.stop()
  await warren.send(nobody, { what: 'then' }, later)
  // 2^11 seconds, and the rest after them.
  expect(await waiting(urls.broker, delayLevel(11))).toBe(1)
  expect(await waiting(urls.broker, taskQueue(nobody.name, SERVICE))).toBe(0)
  // Another process that knows nothing yet learns the same.
  await using second = await connect({ broker: urls.broker, logger: false })
  await manage('DELETE', `/queues/${urls.vhost}/${taskQueue(nobody.name, SERVICE)}`)
  await until('the mark is gone with its queue', async () => {
    const all = await manage<{ name: string }[]>('GET', `/exchanges/${urls.vhost}?columns=name`)
    return !all.some(({ name }) => name === dueMark(nobody.name))
  })
  await expect(second.send(nobody, { what: 'too late' }, later)).rejects.toMatchObject({ code: 'UNROUTABLE' })
})

it('a queue that is not bound to what is due gets the message at once, and its worker moves it into the levels', async () => {
  await manage('DELETE', `/exchanges/${urls.vhost}/${dueMark(plain.name)}`)
  await using other = await connect({ broker: urls.broker, results: urls.results, logger: false })
  const handle = await other.send(plain, { what: 'unmarked' }, { delayMs: 5_500 })
  await until('it waits in a level', async () => (await waiting(urls.broker, delayLevel(2))) === 1)
  expect(worker.health().held).toBe(0)
  expect(await handle.result(RESULT)).toBe(1)
  expect(runsOf('unmarked')[0]?.at).toBeGreaterThanOrEqual(handle.due?.getTime() ?? 0)
})

it('a level that somebody deleted is declared again, and the message goes into it', async () => {
  await manage('DELETE', `/queues/${urls.vhost}/${delayLevel(1)}`)
  const one = await warren.send(plain, { what: 'after the queue' }, { delayMs: 2_100 })
  await manage('DELETE', `/exchanges/${urls.vhost}/${delayLevel(1)}`)
  const other = await warren.send(plain, { what: 'after the exchange' }, { delayMs: 2_100 })
  expect(await Promise.all([one, other].map((handle) => handle.result(RESULT)))).toEqual([1, 1])
})

it('a queue deleted with 100 pending: others run on time; the 100 are listed with the reason, and run when redriven', async () => {
  const handlers = (): Worker => {
    const made = warren.worker({ service: SERVICE, concurrency: 10 })
    return made.handle(doomed, ({ what }, { id, number }) => {
      ran.push({ id, what, number, at: Date.now() })
      return number
    })
  }
  const first = handlers()
  await consuming(first)
  await first.stop()
  const later = { options: () => ({ delayMs: 2_500 }) }
  const inputs = (what: string) => Array.from({ length: 100 }, (_, n) => ({ what: `${what} ${n}` }))
  const handles: { id: string }[] = []
  await warren.sendMany(doomed, inputs('doomed'), { ...later, onSent: (handle) => handles.push(handle) })
  await manage('DELETE', `/queues/${urls.vhost}/${taskQueue(doomed.name, SERVICE)}`)
  const others: Promise<number>[] = []
  await warren.sendMany(plain, inputs('other'), { ...later, onSent: (handle) => others.push(handle.result(RESULT)) })
  expect(await Promise.all(others)).toEqual(others.map(() => 1))

  await until('all are there', async () => (await waiting(urls.broker, DELAY_UNROUTABLE)) === 100)
  const letters = warren.deadLetters({ queue: DELAY_UNROUTABLE })
  const listed: DeadLetter[] = []
  for await (const letter of letters.list({ reason: 'unroutable' })) listed.push(letter)
  expect(listed.map(({ id }) => id).sort()).toEqual(handles.map(({ id }) => id).sort())
  expect(listed[0]).toMatchObject({ task: doomed.name, exchange: 'payment.commands', routingKey: doomed.name })
  expect(listed[0]?.why).toContain('no queue took task payment.sent.doomed')
  // Nothing is bound yet: they stay.
  expect(await letters.redrive({})).toMatchObject({ done: 0, kept: 100 })
  const second = handlers()
  await consuming(second)
  expect(await letters.redrive({ task: doomed.name })).toMatchObject({ done: 100, kept: 0 })
  const results = handles.map(({ id }) => warren.handle(doomed, id).result(RESULT))
  expect(await Promise.all(results)).toEqual(handles.map(() => 1))
  expect(ran.filter(({ what }) => what.startsWith('doomed'))).toHaveLength(100)
  await second.stop()
})

it('says in headers when it is due, for Warren and for Celery', async () => {
  const { due } = await warren.send(plain, { what: 'an hour' }, { delayMs: 3_600_000 })
  const [message] = await manage<{ properties: { headers: Record<string, unknown> } }[]>(
    'POST',
    `/queues/${urls.vhost}/${delayLevel(11)}/get`,
    { count: 2, ackmode: 'ack_requeue_true', encoding: 'auto' },
  ).then((all) => all.filter(({ properties }) => properties.headers.task === plain.name))
  expect(message?.properties.headers).toMatchObject({
    [headers.due]: due?.getTime(),
    eta: due?.toISOString().replace('Z', '000+00:00'),
  })
})

it.each([
  [{ delayMs: -1 }, 'delayMs'],
  [{ delayMs: Number.NaN }, 'delayMs'],
  [{ delayMs: Number.POSITIVE_INFINITY }, 'delayMs'],
  [{ delayMs: '5' as unknown as number }, 'delayMs'],
  [{ delayMs: 9e15 }, 'delayMs'],
  [{ at: new Date(Number.NaN) }, 'at'],
  [{ at: '2026-01-01' as unknown as Date }, 'at'],
  [{ at: new Date('+010000-01-01T00:00:00Z') }, 'at'],
  [{ at: new Date('0000-12-31T23:59:59Z') }, 'at'],
  [{ at: new Date(), delayMs: 1 }, 'both'],
])('%j is refused with what was expected', async (options, what) => {
  const refused = warren.send(plain, { what: 'never' }, options)
  await expect(refused).rejects.toMatchObject({ code: 'INVALID_OPTIONS', message: expect.stringContaining(what) })
})
