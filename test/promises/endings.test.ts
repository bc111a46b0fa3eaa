/** The promise: every message ends in one of a closed set of ways. One test for each row of the table in the docs. */
import { randomUUID } from 'node:crypto'
import { connect as amqpConnect } from 'amqplib'
import { Redis } from 'iovalkey'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, headers, taskQueue, type Warren, type Worker } from '../../src/index.js'
import { encode } from '../../src/wire/envelope.js'
import { type BehaveTask, behave, behaveTask, type Seen } from '../support/behave.js'
import { type ClusterUrls, consuming, deadLetters, until, virtualHost, waiting } from '../support/cluster.js'

const SERVICE = 'endings'
const RESULT = { timeoutMs: 20_000 }

const once = behaveTask('payment.endings.once')
const retried = behaveTask('payment.endings.retried', {
  retry: { maxAttempts: 4, backoff: 'fixed', initialDelayMs: 200 },
})
const limited = behaveTask('payment.endings.limited', { timeoutMs: 150 })
const classic = behaveTask('user.endings.classic', { type: 'classic' })
const all = [once, retried, limited, classic]

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
let worker: Worker
const seen: Seen[] = []
const runsOf = (id: string): Seen[] => seen.filter((each) => each.id === id)

beforeAll(async () => {
  urls = await virtualHost(SERVICE, all)
  warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  worker = warren.worker({ service: SERVICE, concurrency: 4 })
  for (const task of all) worker.handle(task, behave(seen))
  await consuming(worker)
})

afterAll(async () => {
  await warren?.close()
})

/** Publishes raw bytes to a task's exchange, as a stranger would. */
async function publishRaw(task: BehaveTask, content: Buffer, properties: Record<string, unknown>): Promise<void> {
  const connection = await amqpConnect(urls.broker)
  const channel = await connection.createConfirmChannel()
  channel.publish(`${task.name.split('.')[0]}.commands`, task.name, content, properties)
  await channel.waitForConfirms()
  await connection.close()
}

/** The dead letter with this message id, once it is there. */
async function deadLetterOf(id: string, queue = 'payment.dlq'): Promise<Record<string, unknown>> {
  let found: Record<string, unknown> | undefined
  await until(`a dead letter of ${id} in ${queue}`, async () => {
    const all = await deadLetters(urls.vhost, queue)
    found = all.find(({ properties }) => properties.message_id === id)?.properties.headers
    return found !== undefined
  })
  return found ?? {}
}

describe.each([once, classic])('On $name', (task) => {
  it('a handler that returns: its result is stored, then the message acknowledged', async () => {
    const handle = await warren.send(task, { does: ['return'] })
    expect(await handle.result(RESULT)).toEqual({ number: 1 })
    expect(await handle.state()).toMatchObject({ status: 'SUCCESS', attempt: 1 })
    expect(runsOf(handle.id)).toHaveLength(1)
    await until('an empty queue', async () => (await waiting(urls.broker, taskQueue(task.name, SERVICE))) === 0)
    expect(worker.health().held).toBe(0)
  })

  it('a handler that throws with no attempts left: dead-lettered with the error, FAILURE stored', async () => {
    const handle = await warren.send(task, { does: ['throw'] })
    await expect(handle.result(RESULT)).rejects.toMatchObject({ code: 'TASK_FAILED', errorClass: 'HandlerError' })
    const queue = task === classic ? 'user.dlq' : 'payment.dlq'
    expect(await deadLetterOf(handle.id, queue)).toMatchObject({
      [headers.reason]: 'failed',
      [headers.errorClass]: 'HandlerError',
      [headers.errorMessage]: 'attempt 1 was told to fail',
      [headers.attempts]: 1,
      [headers.routingKey]: task.name,
      [headers.queue]: taskQueue(task.name, SERVICE),
    })
  })
})

it('A handler that throws with attempts left: retried through its delay queue, as often as it takes', async () => {
  // Three times through one delay queue: RabbitMQ would drop a message that expires twice there, unless it is a fresh one.
  const handle = await warren.send(retried, { does: ['throw', 'throw', 'throw', 'return'] })
  expect(await handle.result(RESULT)).toEqual({ number: 4 })
  expect(runsOf(handle.id).map(({ number }) => number)).toEqual([1, 2, 3, 4])
})

it('A handler that throws until none are left: dead-lettered once, with the count of its attempts', async () => {
  const handle = await warren.send(retried, { does: ['throw'] })
  await expect(handle.result(RESULT)).rejects.toMatchObject({ code: 'TASK_FAILED' })
  expect(runsOf(handle.id)).toHaveLength(4)
  expect(await deadLetterOf(handle.id)).toMatchObject({
    [headers.attempts]: 4,
    [headers.exchange]: 'payment.commands',
    [headers.routingKey]: retried.name,
  })
})

it('A handler that throws Reject: dead-lettered at once, whatever attempts are left', async () => {
  const handle = await warren.send(retried, { does: ['reject'] })
  await expect(handle.result(RESULT)).rejects.toMatchObject({ code: 'TASK_FAILED', errorClass: 'Reject' })
  expect(runsOf(handle.id)).toHaveLength(1)
  expect(await deadLetterOf(handle.id)).toMatchObject({ [headers.reason]: 'rejected' })
})

it('A handler that throws what is no error: dead-lettered like any other', async () => {
  const handle = await warren.send(once, { does: ['odd'] })
  await expect(handle.result(RESULT)).rejects.toMatchObject({ code: 'TASK_FAILED' })
  expect(runsOf(handle.id)).toHaveLength(1)
})

it.each(['hang', 'hangDeaf'] as const)(
  'An attempt past its time limit (%s): aborted, and counted as failed',
  async (how) => {
    const handle = await warren.send(limited, { does: [how] })
    await expect(handle.result(RESULT)).rejects.toMatchObject({ code: 'TASK_FAILED', errorClass: 'TimeLimitError' })
    expect(await deadLetterOf(handle.id)).toMatchObject({ [headers.reason]: 'failed' })
    await until('nothing held', () => worker.health().held === 0)
  },
)

describe('What a worker cannot run is dead-lettered with a reason, without a retry', () => {
  it('input that does not fit', async () => {
    const id = randomUUID()
    const { content, properties } = encode({ task: retried.name, id, input: { does: ['dance'] } })
    await publishRaw(retried, content, properties)
    expect(await deadLetterOf(id)).toMatchObject({
      [headers.reason]: 'invalid-input',
      [headers.errorClass]: 'InputError',
    })
    await expect(warren.handle(retried, id).result(RESULT)).rejects.toMatchObject({ errorClass: 'InputError' })
    expect(runsOf(id)).toHaveLength(0)
  })

  it('an unknown task', async () => {
    const id = randomUUID()
    const { content, properties } = encode({ task: 'payment.endings.unheardOf', id, input: {} })
    await publishRaw(once, content, properties)
    expect(await deadLetterOf(id)).toMatchObject({ [headers.reason]: 'unknown-task' })
  })

  it.each([
    ['bytes that are not JSON', Buffer.from([0xff, 0, 1]), {}],
    ['another content type', Buffer.from('x'), { contentType: 'application/x-python-serialize' }],
    ['an empty body', Buffer.alloc(0), {}],
  ])('%s', async (_what, content, odd) => {
    const messageId = randomUUID()
    await publishRaw(once, content, {
      messageId,
      contentType: 'application/json',
      headers: { task: once.name, id: messageId },
      ...odd,
    })
    expect(await deadLetterOf(messageId)).toMatchObject({
      [headers.reason]: 'undecodable',
      [headers.errorClass]: 'MessageError',
    })
    await expect(warren.handle(once, messageId).result(RESULT)).rejects.toMatchObject({ errorClass: 'MessageError' })
  })

  it('an id that no copy of the message could carry: once, however often it could be tried', async () => {
    const text = `too long an id ${randomUUID()}`
    await publishRaw(once, Buffer.from(text), { headers: { task: once.name, id: 'i'.repeat(256) } })
    await until('its dead letter', async () =>
      (await deadLetters(urls.vhost, 'payment.dlq')).some(({ payload }) => payload === text),
    )
    await until('nothing held', () => worker.health().held === 0)
  })

  it('a message without any id or header', async () => {
    const text = `nothing at all ${randomUUID()}`
    await publishRaw(once, Buffer.from(text), {})
    await until('its dead letter', async () =>
      (await deadLetters(urls.vhost, 'payment.dlq')).some(({ payload }) => payload === text),
    )
  })
})

it('A redelivered message whose task is done: acknowledged without running again', async () => {
  const handle = await warren.send(once, { does: ['return'] })
  await handle.result(RESULT)
  const { content, properties } = encode({ task: once.name, id: handle.id, input: { does: ['return'] } })
  const settled: string[] = []
  worker.on('attemptSettled', ({ id, outcome }) => {
    if (id === handle.id) settled.push(outcome)
  })
  // What a producer marks when it cannot know whether its first copy arrived.
  await publishRaw(once, content, { ...properties, headers: { ...properties.headers, [headers.republished]: true } })
  await until('the second settling', () => settled.includes('alreadyDone'))
  expect(runsOf(handle.id)).toHaveLength(1)
})

it('The same id sent again after the task is done: acknowledged without running again', async () => {
  const handle = await warren.send(once, { does: ['return'] })
  await handle.result(RESULT)
  const done = new Promise<void>((resolve) =>
    worker.on('attemptSettled', ({ id, outcome }) => id === handle.id && outcome === 'alreadyDone' && resolve()),
  )
  await warren.send(once, { does: ['return'] }, { id: handle.id })
  await done
  expect(runsOf(handle.id)).toHaveLength(1)
})

it('What is no result under the key of one task is replaced, and holds up no other', async () => {
  const id = randomUUID()
  const store = new Redis(urls.results)
  await store.lpush(`celery-task-meta-${id}`, 'not a string')
  await store.quit()
  const beside = await Promise.all(Array.from({ length: 10 }, () => warren.send(once, { does: ['return'] })))
  const handle = await warren.send(once, { does: ['return'] }, { id })
  const results = await Promise.all([handle, ...beside].map((each) => each.result(RESULT)))
  expect(results).toEqual(Array(11).fill({ number: 1 }))
  expect(runsOf(id)).toHaveLength(1)
})

it('A message whose sender wanted it run before now: dead-lettered, and REVOKED for those who wait', async () => {
  const handle = await warren.send(once, { does: ['return'] }, { expires: new Date(Date.now() - 1_000) })
  await expect(handle.result(RESULT)).rejects.toMatchObject({ code: 'TASK_FAILED', errorClass: 'TaskRevokedError' })
  expect(await deadLetterOf(handle.id)).toMatchObject({ [headers.reason]: 'expired' })
  expect(runsOf(handle.id)).toHaveLength(0)
})

it('A message that no queue is bound for: send rejects with UNROUTABLE', async () => {
  const nobody = defineTask({ name: 'payment.endings.nobody', input: z.object({}) })
  await expect(warren.send(nobody, {})).rejects.toMatchObject({ code: 'UNROUTABLE' })
  const nowhere = defineTask({ name: 'nowhere.endings.nobody', input: z.object({}) })
  await expect(warren.send(nowhere, {})).rejects.toMatchObject({ code: 'UNROUTABLE' })
})

it('One message that the broker refuses takes none of the others with it', async () => {
  const nowhere = defineTask({ name: 'nowhere.endings.nobody', input: z.object({}) })
  const outcomes = await Promise.allSettled([
    ...Array.from({ length: 50 }, () => warren.send(once, { does: ['return'] })),
    warren.send(nowhere, {}),
    ...Array.from({ length: 50 }, () => warren.send(once, { does: ['return'] })),
  ])
  expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(1)
  const handles = outcomes.flatMap((each) =>
    each.status === 'fulfilled' && 'result' in each.value ? [each.value] : [],
  )
  expect(await Promise.all(handles.map((handle) => handle.result(RESULT)))).toHaveLength(100)
})
