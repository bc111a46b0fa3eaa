/** The promises about dead letters: they say why they died, looking costs nothing, and sending them back loses none. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connect as amqpConnect, type ChannelModel, type ConfirmChannel, type Message } from 'amqplib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type AttemptContext,
  connect,
  DEAD_LETTER_DELIVERY_LIMIT,
  type DeadLetter,
  type DeadLetters,
  headers,
  type Logger,
  Reject,
  taskQueue,
  type Warren,
  type Worker,
} from '../../src/index.js'
import { encode } from '../../src/wire/envelope.js'
import { behave, behaveTask, type Seen } from '../support/behave.js'
import { type ClusterUrls, consuming, isSince, manage, until, virtualHost } from '../support/cluster.js'

const SERVICE = 'graves'
const RESULT = { timeoutMs: 20_000 }
const DLQ = 'payment.dlq'

/** Handled by the worker of this file. */
const worked = behaveTask('payment.graves.worked', { retry: { maxAttempts: 2, backoff: 'fixed', initialDelayMs: 50 } })
/** Its queue has no consumer and a short TTL: what is sent there expires. */
const expiring = behaveTask('user.graves.expiring')
/** Their queues have no consumer: what is sent there stays. */
const left = behaveTask('payment.graves.left')
/** Its handler is the test's own. */
const renewed = behaveTask('payment.graves.renewed', {
  retry: { maxAttempts: 2, backoff: 'fixed', initialDelayMs: 50 },
})
const all = [worked, expiring, left, renewed]

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
let worker: Worker
let raw: ChannelModel
let channel: ConfirmChannel
const seen: Seen[] = []
let renew: (attempt: AttemptContext) => Promise<{ number: number }>

beforeAll(async () => {
  urls = await virtualHost(SERVICE, all, { [expiring.name]: { ttlMs: 200 } })
  warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  worker = warren.worker({ service: SERVICE })
  worker.handle(worked, behave(seen))
  worker.handle(renewed, (_input, attempt) => renew(attempt))
  await consuming(worker)
  raw = await amqpConnect(urls.broker)
  channel = await raw.createConfirmChannel()
  for (const task of [expiring, left]) {
    const [domain] = task.name.split('.')
    await channel.assertExchange(`${domain}.commands`, 'topic')
    const queue = taskQueue(task.name, SERVICE)
    await channel.assertQueue(queue, { arguments: { 'x-queue-type': 'quorum' } })
    await channel.bindQueue(queue, `${domain}.commands`, task.name)
  }
})

afterAll(async () => {
  await raw?.close()
  await warren?.close()
})

/** A test that fails must not take the next one with it. */
beforeEach(async () => {
  for (const queue of [DLQ, taskQueue(left.name, SERVICE)]) await drain(queue)
})

async function listed(letters: DeadLetters, ...filter: Parameters<DeadLetters['list']>): Promise<DeadLetter[]> {
  const found: DeadLetter[] = []
  for await (const letter of letters.list(...filter)) found.push(letter)
  return found
}

const idsOf = (letters: readonly DeadLetter[]): string[] => letters.map(({ id }) => id)

/** Puts dead letters of `left` into the queue, as a worker does. */
async function bury(ids: readonly string[], reason: string, more: Record<string, unknown> = {}): Promise<void> {
  const why = {
    [headers.reason]: reason,
    [headers.errorClass]: 'HandlerError',
    [headers.errorMessage]: 'told to fail',
    [headers.attempts]: 3,
    [headers.exchange]: 'payment.commands',
    [headers.routingKey]: left.name,
    [headers.queue]: taskQueue(left.name, SERVICE),
    [headers.at]: new Date().toISOString(),
    ...more,
  }
  for (const [at, id] of ids.entries()) {
    const { content, properties } = encode({ task: left.name, id, input: { does: ['return'] }, retries: 2 })
    channel.publish('payment.dlx', left.name, content, { ...properties, headers: { ...properties.headers, ...why } })
    if (at % 1000 === 999) await channel.waitForConfirms()
  }
  await channel.waitForConfirms()
}

/** How many messages are ready: a passive declare of a busy quorum queue may say 0. */
async function ready(queue: string): Promise<number> {
  const message = await channel.get(queue)
  if (message === false) return 0
  channel.nack(message)
  return message.fields.messageCount + 1
}

/** Empties a queue, and gives what was in it. */
async function drain(queue: string): Promise<{ id: string; headers: Record<string, unknown> }[]> {
  const taken: { id: string; headers: Record<string, unknown> }[] = []
  const draining = await raw.createChannel()
  const take = ({ properties }: Message): void => {
    taken.push({ id: properties.messageId, headers: properties.headers ?? {} })
  }
  const first = await draining.get(queue)
  if (first !== false) {
    take(first)
    await draining.consume(queue, (message) => message !== null && take(message))
    const count = first.fields.messageCount + 1
    await until(`${count} messages out of ${queue}`, () => {
      // All at once: RabbitMQ forgets some of many single ones when the channel is closed right after them.
      draining.ackAll()
      return taken.length >= count
    })
  }
  await draining.close()
  return taken
}

/** `warren dlq …` as a process of its own. */
function dlq(...words: string[]): { child: ChildProcess; lines: AsyncIterable<Record<string, unknown>> } {
  const main = join(process.cwd(), 'dist', 'cli', 'main.js')
  const child = spawn(process.execPath, [main, 'dlq', ...words, '--broker', urls.broker, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  async function* read() {
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) yield JSON.parse(line)
  }
  return { child, lines: read() }
}

async function finished(words: string[]): Promise<{ code: number | null; lines: Record<string, unknown>[] }> {
  const { child, lines } = dlq(...words)
  const closed = once(child, 'close')
  const said: Record<string, unknown>[] = []
  for await (const line of lines) said.push(line)
  const [code] = (await closed) as [number | null]
  return { code, lines: said }
}

it('A task that failed says why, is sent back with all its attempts, and its SUCCESS replaces the FAILURE', async () => {
  const letters = warren.deadLetters({ domain: 'payment' })
  // Fails on its first two attempts, which is all it has; sent back, the first attempt is attempt 1 again.
  const handle = await warren.send(worked, { does: ['throw'], note: 'needle-in-a-haystack' })
  await expect(handle.result(RESULT)).rejects.toMatchObject({ code: 'TASK_FAILED' })
  const [letter, ...others] = await listed(letters, { text: 'NEEDLE-in-a' })
  expect(others).toEqual([])
  expect(letter).toMatchObject({
    ...{ id: handle.id, task: worked.name, by: 'warren', reason: 'failed', attempts: 2, redriven: 0 },
    why: 'failed on attempt 2 with HandlerError: attempt 2 was told to fail',
    ...{ exchange: 'payment.commands', routingKey: worked.name, queue: taskQueue(worked.name, SERVICE) },
  })
  expect(await letters.redrive({ id: handle.id }, { dryRun: true })).toMatchObject({
    ...{ matched: 1, done: 0, destinations: [{ exchange: 'payment.commands', routingKey: worked.name, count: 1 }] },
  })
  const before = seen.filter(({ id }) => id === handle.id).length
  expect(await letters.redrive({ id: handle.id })).toMatchObject({ done: 1, kept: 0, problems: [] })
  await until('it has died again', async () => (await listed(letters, { id: handle.id })).length === 1)
  expect(seen.filter(({ id }) => id === handle.id).slice(before)).toMatchObject([{ number: 1 }, { number: 2 }])
  expect((await letters.show(handle.id))[0]).toMatchObject({ redriven: 1, attempts: 2 })

  // Mended: what the handler does is in the message, so a mended one is sent in its place.
  await letters.purge({ id: handle.id })
  const { content, properties } = encode({ task: worked.name, id: handle.id, input: { does: ['return'] } })
  const headersOfDeath = {
    [headers.reason]: 'failed',
    [headers.exchange]: 'payment.commands',
    [headers.routingKey]: worked.name,
  }
  channel.publish('payment.dlx', worked.name, content, {
    ...properties,
    headers: { ...properties.headers, ...headersOfDeath },
  })
  await channel.waitForConfirms()
  expect(await letters.redrive({ id: handle.id })).toMatchObject({ done: 1 })
  await until('SUCCESS in the store', async () => (await handle.state())?.status === 'SUCCESS')
  expect(await handle.result(RESULT)).toEqual({ number: 1 })
  expect(await ready(DLQ)).toBe(0)
})

it('A redrive begins anew: who waits waits for the new run, which is seen, and whose failure replaces the old one', async () => {
  renew = async () => {
    throw new Error('the database is away')
  }
  const handle = await warren.send(renewed, { does: ['return'] })
  await expect(handle.result(RESULT)).rejects.toThrow('the database is away')
  const letters = warren.deadLetters({ domain: 'payment' })
  await until('the dead letter', async () => (await ready(DLQ)) === 1)
  let goOn = (): void => undefined
  const told = new Promise<void>((resolve) => {
    goOn = resolve
  })
  renew = async ({ progress }) => {
    await progress('half way')
    await told
    throw new Reject('the customer is unknown')
  }
  expect(await letters.redrive({ id: handle.id })).toMatchObject({ done: 1 })
  const waiting = expect(handle.result(RESULT)).rejects.toThrow('the customer is unknown')
  await until('progress of the new run', async () => (await handle.state())?.status === 'PROGRESS')
  goOn()
  await waiting
  expect(await handle.state()).toMatchObject({ status: 'FAILURE', attempt: 1, error: { errorClass: 'Reject' } })
  await until('the new dead letter', async () => (await ready(DLQ)) === 1)
  expect(await letters.show(handle.id)).toMatchObject([{ reason: 'rejected', redriven: 1 }])
})

it('Callbacks and loggers that fail change nothing of a redrive or a purge', async () => {
  const lines: string[] = []
  const refuse = (): never => {
    throw new Error('no')
  }
  const error: Logger['error'] = (_fields, message) => {
    lines.push(message)
    refuse()
  }
  const odd = await connect({ broker: urls.broker, logger: { debug: refuse, info: refuse, warn: refuse, error } })
  const letters = odd.deadLetters({ domain: 'payment' })
  await bury([randomUUID(), randomUUID()], 'failed')
  const rejects = (async () => refuse()) as () => void
  const hangs = (() => new Promise(() => undefined)) as () => void
  expect(await letters.redrive({}, { dryRun: true, onProgress: refuse })).toMatchObject({ matched: 2, kept: 0 })
  expect(await letters.redrive({}, { limit: 1, onProgress: rejects })).toMatchObject({ done: 1, kept: 0 })
  expect(await letters.purge({}, { onProgress: hangs })).toMatchObject({ done: 1, kept: 0 })
  await odd.close()
  expect(lines).toEqual([expect.stringContaining('OnProgress of dead letters failed: no')])
})

it('Whatever headers strangers write, their dead letters are listed, shown and sent back', async () => {
  const strange: Record<string, Record<string, unknown>> = {
    numbers: { a: 2 ** 62, b: -1, c: 1.5, d: { '!': 'int64', value: 2 ** 40 }, e: { '!': 'float', value: 0.5 } },
    'other types': {
      a: null,
      b: Buffer.from([0, 255]),
      c: { '!': 'timestamp', value: 4e9 },
      d: [1, ['x', {}]],
      e: { f: {} },
    },
    'names of objects': { toString: 'x', constructor: [], hasOwnProperty: 1, '': 'empty' },
    'of the wrong type': {
      [headers.attempts]: 'many',
      [headers.at]: 17,
      [headers.redriven]: -1,
      expires: [],
      'x-death': 'no',
    },
  }
  for (const [id, more] of Object.entries(strange)) await bury([id], 'failed', more)
  // Written by RabbitMQ's own API, and so by no client that this repository has.
  const large = 'larger than most clients write'
  const origin = { [headers.exchange]: 'payment.commands', [headers.routingKey]: left.name, [headers.reason]: 'failed' }
  await manage('POST', `/exchanges/${encodeURIComponent(urls.vhost)}/payment.dlx/publish`, {
    routing_key: left.name,
    payload: 'no task',
    payload_encoding: 'string',
    properties: { headers: { ...origin, id: large, big: 'x'.repeat(90_000), small: 'kept' } },
  })
  const ids = [...Object.keys(strange), large]
  const letters = warren.deadLetters({ domain: 'payment' })
  expect(idsOf(await listed(letters))).toEqual(ids)
  for (const id of ids) expect(await letters.show(id)).toHaveLength(1)
  expect(await listed(letters, { reason: 'failed', newerThanMs: 60_000, text: 'TOLD' })).toHaveLength(3)
  expect(await letters.redrive({})).toMatchObject({ done: ids.length, kept: 0, problems: [] })
  const back = await drain(taskQueue(left.name, SERVICE))
  expect(back.map(({ id }) => id).sort()).toEqual([...ids].sort())
  expect(back.find(({ id }) => id === large)?.headers).toMatchObject({ small: 'kept', [headers.redriven]: 1 })
})

it('A task that is done already is not run again when a dead letter of it is sent back', async () => {
  const handle = await warren.send(worked, { does: ['return'] })
  await handle.result(RESULT)
  const { content, properties } = encode({ task: worked.name, id: handle.id, input: { does: ['return'] } })
  const death = {
    [headers.reason]: 'failed',
    [headers.exchange]: 'payment.commands',
    [headers.routingKey]: worked.name,
  }
  channel.publish('payment.dlx', worked.name, content, { ...properties, headers: { ...properties.headers, ...death } })
  await channel.waitForConfirms()
  const settled = new Promise<string>((resolve) =>
    worker.on('attemptSettled', ({ id, outcome }) => id === handle.id && resolve(outcome)),
  )
  await warren.deadLetters({ domain: 'payment' }).redrive({ id: handle.id })
  expect(await settled).toBe('alreadyDone')
  expect(seen.filter(({ id }) => id === handle.id)).toHaveLength(1)
})

it('A task that expired in its queue says so', async () => {
  const letters = warren.deadLetters({ domain: 'user' })
  const { id } = await warren.send(expiring, { does: ['return'] })
  await until('its dead letter', async () => (await listed(letters, { id })).length === 1)
  expect(await listed(letters, { reason: 'expired', task: expiring.name })).toMatchObject([
    {
      ...{ id, by: 'broker', exchange: 'user.commands', routingKey: expiring.name, attempts: undefined },
      why: `expired while it waited in ${taskQueue(expiring.name, SERVICE)} (the queue's TTL)`,
      diedAt: expect.any(Date),
    },
  ])
  expect(await listed(letters, { olderThanMs: 3_600_000 })).toEqual([])
  expect(await letters.purge({ newerThanMs: 3_600_000 })).toMatchObject({ done: 1, stopped: 'end' })
  expect(await ready('user.dlq')).toBe(0)
})

describe('What cannot be sent back stays, and is named', () => {
  it.each([
    ['nothing bound for it', { [headers.routingKey]: 'payment.graves.nobody' }, 'UNROUTABLE'],
    ['its exchange gone', { [headers.exchange]: 'nowhere.commands' }, 'UNROUTABLE'],
    ['its origin unknown', { [headers.exchange]: 17 }, 'ORIGIN_UNKNOWN'],
  ])('%s', async (_what, more, code) => {
    const letters = warren.deadLetters({ domain: 'payment' })
    const [bad, good] = [randomUUID(), randomUUID()]
    await bury([bad], 'failed', more)
    await bury([good], 'failed')
    expect(await letters.redrive({})).toMatchObject({
      ...{ total: 2, done: 1, kept: 1, matched: 2 },
      problems: [{ code, ids: [bad], count: 1 }],
    })
    expect(idsOf(await listed(letters))).toEqual([bad])
    expect(await letters.purge({})).toMatchObject({ done: 1 })
    expect((await drain(taskQueue(left.name, SERVICE))).map(({ id }) => id)).toEqual([good])
  })

  it('a queue that is not there', async () => {
    await expect(listed(warren.deadLetters({ queue: 'no.such.queue' }))).rejects.toMatchObject({
      code: 'DEAD_LETTERS_UNREADABLE',
    })
  })
})

it('Sent back to the queue that it died in, a message reaches no other service that is bound for it', async () => {
  const letters = warren.deadLetters({ queue: DLQ })
  await channel.assertQueue('another-service', { arguments: { 'x-queue-type': 'quorum' } })
  await channel.bindQueue('another-service', 'payment.commands', left.name)
  const id = randomUUID()
  await bury([id], 'failed')
  expect(await letters.redrive({}, { to: 'queue' })).toMatchObject({ done: 1 })
  expect(await drain(taskQueue(left.name, SERVICE))).toMatchObject([
    { id, headers: { [headers.exchange]: 'payment.commands', [headers.routingKey]: left.name, [headers.redriven]: 1 } },
  ])
  expect(await ready('another-service')).toBe(0)
  await channel.deleteQueue('another-service')
})

it('Looking 25 times takes nothing away and leaves the order as it was', async () => {
  const letters = warren.deadLetters({ domain: 'payment', deliveryLimit: DEAD_LETTER_DELIVERY_LIMIT })
  const ids = Array.from({ length: 100 }, () => randomUUID())
  await bury(ids, 'failed')
  for (let look = 0; look < 25; look++) expect(await listed(letters, {}, { limit: 10 })).toHaveLength(10)
  expect(idsOf(await listed(letters))).toEqual(ids)
  // A loop that is left in the middle gives everything back too.
  for await (const { id } of letters.list()) if (id === ids[40]) break
  expect(idsOf(await listed(letters))).toEqual(ids)
  expect(await letters.purge({})).toMatchObject({ done: 100 })
})

it('What was removed does not come back', async () => {
  const letters = warren.deadLetters({ domain: 'payment' })
  const ids = Array.from({ length: 2_000 }, () => randomUUID())
  await bury(ids, 'failed')
  expect(await letters.purge({})).toMatchObject({ total: 2_000, done: 2_000 })
  expect(await listed(letters)).toEqual([])
})

it('Where looking could bring the broker to drop messages, it is refused long before', async () => {
  const id = randomUUID()
  await bury([id], 'failed')
  // What RabbitMQ 4 does with a queue that has no policy, with a smaller number.
  const limited = warren.deadLetters({ queue: DLQ, deliveryLimit: 10 })
  for (let look = 0; look < 5; look++) expect(idsOf(await listed(limited))).toEqual([id])
  if (await isSince(4, 3)) {
    // Looks do not count.
    for (let look = 5; look < 12; look++) expect(idsOf(await listed(limited))).toEqual([id])
  } else {
    await expect(listed(limited)).rejects.toMatchObject({ code: 'DELIVERY_LIMIT_NEAR', queue: DLQ })
    await expect(limited.purge({})).rejects.toMatchObject({ code: 'DELIVERY_LIMIT_NEAR' })
  }
  expect((await drain(DLQ)).map((letter) => letter.id)).toEqual([id])
})

it('Ctrl-C ends a redrive in order: what is confirmed is gone, the rest stays', async () => {
  const ids = Array.from({ length: 200 }, () => randomUUID())
  await bury(ids, 'failed')
  const { child, lines } = dlq('redrive', '--domain', 'payment', '--yes', '--rate', '20')
  const closed = once(child, 'close')
  let last: Record<string, unknown> = {}
  for await (const line of lines) {
    if (line.event === 'progress' && last.event === undefined) child.kill('SIGINT')
    last = line
  }
  expect(await closed).toEqual([1, null])
  expect(last).toMatchObject({ event: 'redrive', stopped: 'aborted' })
  const sent = (await drain(taskQueue(left.name, SERVICE))).map(({ id }) => id)
  expect(sent).toEqual(ids.slice(0, Number(last.done)))
  expect((await drain(DLQ)).map(({ id }) => id)).toEqual(ids.slice(sent.length))
})

it('10,000 dead letters: listed page by page, 5,000 of one reason redriven with a rate limit, killed in the middle and run again: ledger complete', async () => {
  const failed = Array.from({ length: 5_000 }, (_, n) => `failed-${n}-${randomUUID()}`)
  const rejected = Array.from({ length: 5_000 }, (_, n) => `rejected-${n}-${randomUUID()}`)
  // In turns, so that the work is all through the queue.
  for (let at = 0; at < 5_000; at += 500) {
    await bury(failed.slice(at, at + 500), 'failed')
    await bury(rejected.slice(at, at + 500), 'rejected')
  }

  const pages: string[][] = []
  for (const page of [1, 2, 3, 4]) {
    const { code, lines } = await finished(['list', '--domain', 'payment', '--page', `${page}`, '--page-size', '2500'])
    expect(code).toBe(0)
    expect(lines.at(-1)).toMatchObject({ event: 'page', page, pages: 4, matched: 10_000 })
    pages.push(lines.slice(0, -1).map(({ id }) => String(id)))
  }
  expect(pages.map((page) => page.length)).toEqual([2500, 2500, 2500, 2500])
  const buried = Array.from({ length: 10 }, (_, n) =>
    [failed, rejected].map((ids) => ids.slice(n * 500, n * 500 + 500)),
  )
  expect(pages.flat()).toEqual(buried.flat(2))

  const redrive = ['redrive', '--domain', 'payment', '--reason', 'failed', '--rate', '1000']
  const { child, lines } = dlq(...redrive)
  const closed = once(child, 'close')
  for await (const { done } of lines) if (Number(done) >= 500) child.kill('SIGKILL')
  expect(await closed).toEqual([null, 'SIGKILL'])

  const target = taskQueue(left.name, SERVICE)
  const first = await ready(target)
  expect(first).toBeGreaterThanOrEqual(500)
  expect(first).toBeLessThan(5_000)
  // The broker takes back what the dead process held.
  await until('all of the rest back in the queue', async () => (await ready(DLQ)) >= 10_000 - first)

  const again = await finished(redrive)
  expect(again.code).toBe(0)
  const summary = again.lines.at(-1)
  expect(summary).toMatchObject({ event: 'redrive', kept: 0, stopped: 'end', problems: [] })

  const sent = await drain(target)
  const stayed = await drain(DLQ)
  expect(stayed.map(({ id }) => id).sort()).toEqual([...rejected].sort())
  expect(new Set(sent.map(({ id }) => id))).toEqual(new Set(failed))
  // Sent twice: what was on its way when the process was killed, and what the broker had not yet read to be
  // acknowledged, which goes with the connection.
  expect(sent.length).toBe(first + Number(summary?.done))
  expect(sent.length - failed.length).toBeLessThanOrEqual(100)
}, 120_000)
