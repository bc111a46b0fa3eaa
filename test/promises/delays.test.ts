/** The promise: what is to run later waits in the broker and holds no place in a worker; it runs once, where it belongs. */
import { randomUUID } from 'node:crypto'
import { connect as amqpConnect, type ConfirmChannel } from 'amqplib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, taskQueue, type Warren } from '../../src/index.js'
import { delayHeaders } from '../../src/wire/delayedKey.js'
import { commandsExchange, DELAY_UNROUTABLE, delayLevel, headers } from '../../src/wire/names.js'
import { type ClusterUrls, consuming, deadLetters, manage, until, virtualHost, waiting } from '../support/cluster.js'

const SERVICE = 'later'
const RESULT = { timeoutMs: 30_000 }
const input = z.object({ what: z.string() })
const retry = (initialDelayMs: number, maxAttempts = 4) => ({ maxAttempts, initialDelayMs, backoff: 'fixed' as const })
const plain = defineTask({ name: 'payment.later.plain', input, output: z.number(), retry: retry(100) })
const shared = defineTask({ name: 'payment.later.shared', input, output: z.number(), retry: retry(2_000) })
const thrice = defineTask({ name: 'payment.later.thrice', input, output: z.number(), retry: retry(1_600) })

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
let channel: ConfirmChannel
const closings: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  urls = await virtualHost(SERVICE, [plain, shared, thrice])
  warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  const connection = await amqpConnect(urls.broker)
  closings.push(() => connection.close())
  channel = await connection.createConfirmChannel()
})
afterAll(async () => {
  await warren?.close()
  for (const close of closings) await close()
})

/** Publishes as a Celery client does for `apply_async(eta=…, expires=…)`. */
async function sendLater(task: { name: string }, what: string, times: { eta: Date; expires?: Date }): Promise<string> {
  const id = randomUUID()
  const body = JSON.stringify([[], { what }, { callbacks: null, errbacks: null, chain: null, chord: null }])
  const celeryTime = (instant?: Date): string | null => instant?.toISOString().replace('Z', '000+00:00') ?? null
  channel.publish(commandsExchange('payment'), task.name, Buffer.from(body), {
    ...{ contentType: 'application/json', contentEncoding: 'utf-8', correlationId: id, persistent: true },
    headers: {
      lang: 'py',
      task: task.name,
      id,
      eta: celeryTime(times.eta),
      expires: celeryTime(times.expires),
      retries: 0,
    },
  })
  await channel.waitForConfirms()
  return id
}

const inMs = (ms: number): Date => new Date(Date.now() + ms)

/** A worker that notes what it ran, and when. */
async function worker(
  service = SERVICE,
  { of = warren, fails = true, ...options }: { of?: Warren; prefetch?: number; fails?: boolean } = {},
) {
  const ran: { id: string; what: string; number: number; at: number }[] = []
  const made = of.worker({ service, concurrency: 1, gracePeriodMs: 1_000, ...options })
  /** Its input says how many attempts of a message fail. */
  for (const task of [plain, shared, thrice]) {
    made.handle(task, ({ what }, { id, number }) => {
      ran.push({ id, what, number, at: Date.now() })
      const failing = Number(/^fails (\d)/.exec(what)?.[1] ?? 0)
      if (fails && number <= failing) throw new Error(`attempt ${number} was told to fail`)
      return number
    })
  }
  await consuming(made)
  return { made, ran }
}

it('an eta in three seconds holds no place: others run meanwhile, and it does not run before its time', async () => {
  const { made, ran } = await worker()
  const eta = inMs(3_000)
  const id = await sendLater(plain, 'later', { eta })
  // Not in the worker and not in its queue: it waits in a level.
  await until('the worker holds nothing', () => made.health().held === 0)
  const now = await warren.send(plain, { what: 'now' })
  expect(await now.result(RESULT)).toBe(1)
  expect(ran.map(({ what }) => what)).toEqual(['now'])
  expect(await warren.handle(plain, id).result(RESULT)).toBe(1)
  expect(ran.map(({ what }) => what)).toEqual(['now', 'later'])
  expect(ran[1]?.at).toBeGreaterThanOrEqual(eta.getTime())
  await made.stop()
})

it('an eta past its expires is revoked when it is due, and not run', async () => {
  const { made, ran } = await worker()
  const id = await sendLater(plain, 'too late', { eta: inMs(2_000), expires: inMs(1_000) })
  await expect(warren.handle(plain, id).result(RESULT)).rejects.toThrow(/expired|revoked/i)
  expect(ran).toEqual([])
  const [dead] = (await deadLetters(urls.vhost, 'payment.dlq')).filter(
    ({ properties }) => properties.headers?.id === id,
  )
  expect(dead?.properties.headers?.[headers.reason]).toBe('expired')
  await made.stop()
})

it('of two services bound to one task, only the one that failed runs it again, after a time in a delay level', async () => {
  // With a store: the success of one service must not count for the message of the other.
  await using of = await connect({ broker: urls.broker, results: urls.results, logger: false })
  const failing = await worker(SERVICE, { of })
  const fine = await worker('other', { of, fails: false })
  const handle = await warren.send(shared, { what: 'fails 1' })
  const again = (): boolean => failing.ran.length === 2
  await until('the one that failed ran it again', again)
  const [first, second] = failing.ran
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(1_000)
  // A copy for the other service would have been due at the same instant, before this one.
  const next = await warren.send(shared, { what: 'next' })
  await until('both ran the next', () => [failing, fine].every(({ ran }) => ran.some(({ id }) => id === next.id)))
  expect(failing.ran.map(({ id, number }) => [id, number])).toEqual([
    [handle.id, 1],
    [handle.id, 2],
    [next.id, 1],
  ])
  expect(fine.ran.map(({ id, number }) => [id, number])).toEqual([
    [handle.id, 1],
    [next.id, 1],
  ])
  await Promise.all([failing.made.stop(), fine.made.stop()])
  for (const task of [plain, shared, thrice])
    await manage('DELETE', `/queues/${urls.vhost}/${taskQueue(task.name, 'other')}`)
})

it('short retries hold no place either: others run between the attempts', async () => {
  const { made, ran } = await worker()
  const failing = await warren.send(plain, { what: 'fails 3' })
  const others = await Promise.all(Array.from({ length: 20 }, (_, n) => warren.send(plain, { what: `other ${n}` })))
  await Promise.all(others.map((handle) => handle.result(RESULT)))
  expect(await failing.result(RESULT)).toBe(4)
  const order = ran.map(({ what }) => what)
  // All others ran before the last of the four attempts, whose delays alone take longer than they do.
  expect(order.lastIndexOf('fails 3')).toBe(order.length - 1)
  expect(order.filter((what) => what === 'fails 3')).toHaveLength(4)
  await made.stop()
})

it('three retries through the same delay level are not dropped as a cycle', async () => {
  const { made, ran } = await worker()
  const handle = await warren.send(thrice, { what: 'fails 3' })
  expect(await handle.result(RESULT)).toBe(4)
  expect(ran.map(({ number }) => number)).toEqual([1, 2, 3, 4])
  await made.stop()
})

it('a worker that is stopped while it holds one that is not due gives it back at once', async () => {
  const { made, ran } = await worker(SERVICE, { prefetch: 1 })
  const id = await sendLater(plain, 'not due', { eta: inMs(1_400) })
  await until('it is held', () => made.health().held === 1)
  expect(made.health().running).toBe(0)
  await made.stop({ gracePeriodMs: 60_000 })
  expect(ran).toEqual([])
  expect(await waiting(urls.broker, taskQueue(plain.name, SERVICE))).toBe(1)
  const next = await worker()
  expect(await warren.handle(plain, id).result(RESULT)).toBe(1)
  await next.made.stop()
})

it('what no queue takes when it is due is kept in warren.delay.unroutable', async () => {
  const id = randomUUID()
  channel.publish(delayLevel(0), 'payment.later.nobody', Buffer.from('[]'), {
    ...{ persistent: true, messageId: id, headers: delayHeaders(1, 0) },
  })
  await channel.waitForConfirms()
  await until('it is there', async () =>
    (await deadLetters(urls.vhost, DELAY_UNROUTABLE)).some((each) => each.properties.message_id === id),
  )
  expect((await deadLetters(urls.vhost, DELAY_UNROUTABLE)).map(({ routing_key }) => routing_key)).toEqual([
    'payment.later.nobody',
  ])
})

it('without delay levels, which its user may not declare: health() names them, and tasks run all the same', async () => {
  const user = `later-${randomUUID().slice(0, 8)}`
  await manage('PUT', `/users/${user}`, { password: user, tags: '' })
  try {
    // All but the delay levels, which the operator has not made.
    const mine = '^(payment\\..*|amq\\..*)?$'
    await manage('PUT', `/permissions/${urls.vhost}/${user}`, { configure: mine, write: mine, read: mine })
    for (const kind of ['queues', 'exchanges']) {
      const all = await manage<{ name: string }[]>('GET', `/${kind}/${urls.vhost}?columns=name`)
      const delays = all.filter(({ name }) => name.startsWith('warren.delay.'))
      for (const { name } of delays) await manage('DELETE', `/${kind}/${urls.vhost}/${name}`)
    }
    const broker = urls.broker.replace('admin:admin', `${user}:${user}`)
    await using restricted = await connect({ broker, results: urls.results, logger: false })
    const made = restricted.worker({ service: SERVICE }).handle(plain, (_input, { number }) => number)
    await consuming(made)
    expect(made.health()).toMatchObject({ ready: true })
    expect(made.health().problems).toHaveLength(1)
    expect(made.health().problems[0]).toMatch(
      /no delay levels \(warren\.delay\.\*\).*may not declare them.*warren definitions/,
    )
    const handle = await restricted.send(plain, { what: 'now' })
    expect(await handle.result(RESULT)).toBe(1)
    await made.stop()
  } finally {
    await manage('DELETE', `/users/${user}`)
  }
})
