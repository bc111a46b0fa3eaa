/** A message that is prepared now and published later: what is fixed when it is made, and what a record must look like. */
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineTask, headers, type PreparedMessage, prepare } from '../../src/index.js'
import { Warren } from '../../src/warren.js'
import { decode } from '../../src/wire/envelope.js'
import { useBroker } from '../support/harness/amqplib.js'
import type { FakeBroker } from '../support/harness/index.js'

vi.mock('amqplib', () => import('../support/harness/amqplib.js'))

const task = defineTask({ name: 'user.prepared.task', input: z.object({ name: z.string() }) })
const overJson = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

/** As version 0.1 wrote it. It must be published by every later version: rows of an outbox outlive an upgrade. */
const OLD = {
  version: 1,
  task: 'user.prepared.task',
  id: 'order-1',
  run: 1_790_000_000_123,
  chosen: true,
  body: '[[],{"name":"Zoë \\u0000"},{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]',
  headers: {
    lang: 'js',
    task: 'user.prepared.task',
    id: 'order-1',
    'x-warren-run': 1_790_000_000_123,
    'x-warren-republished': true,
  },
} satisfies PreparedMessage

let broker: FakeBroker
let warren: Warren

beforeEach(async () => {
  broker = useBroker()
  warren = new Warren({ broker: 'amqp://localhost', logger: false })
  await warren.open()
  return () => warren.close()
})

describe('A prepared message', () => {
  it('survives JSON, and is published with its id, run and sign that it may be there already', async () => {
    const before = Date.now()
    const prepared = overJson(await prepare(task, { name: 'Zoë' }, { expires: new Date(before + 60_000) }))
    expect(prepared).toMatchObject({ version: 1, task: task.name, id: expect.stringMatching(/^[0-9a-f-]{36}$/) })
    await warren.publishPrepared(prepared)
    await warren.publishPrepared(prepared)
    const [one, other] = broker.publications
    expect(one).toMatchObject({ exchange: 'user.commands', routingKey: task.name })
    expect(other?.properties).toEqual(one?.properties)
    expect(one?.properties.headers?.[headers.republished]).toBe(true)
    const envelope = decode(one?.properties ?? {}, one?.content ?? Buffer.alloc(0))
    expect(envelope).toMatchObject({ id: prepared.id, task: task.name, input: { name: 'Zoë' }, retries: 0 })
    expect(envelope.expires?.getTime()).toBe(before + 60_000)
    // Not 0: a worker asks the store about such a message, and takes it for no sign of trouble with others.
    expect(envelope.run).toBeGreaterThanOrEqual(before)
  })

  it('keeps its tags and the instant before which it is not to be run; one that has passed goes straight on', async () => {
    const at = new Date(Date.now() - 1)
    const later = await prepare(task, { name: 'Zoë' }, { tags: ['customer:42'], delayMs: 60_000 })
    expect(later.headers).toMatchObject({ [headers.tags]: ['customer:42'], [headers.due]: later.run + 60_001 })
    expect((await prepare(task, { name: 'Zoë' }, { at })).headers).not.toHaveProperty(headers.due)
    const overdue = { ...later, headers: { ...later.headers, [headers.due]: at.getTime() } }
    await warren.publishPrepared(overJson(overdue))
    expect(broker.publications).toMatchObject([{ exchange: 'user.commands', routingKey: task.name }])
    await expect(prepare(task, { name: 'Zoë' }, { at, delayMs: 1 })).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
  })

  it('of an earlier version is published as it was meant', async () => {
    await warren.publishPrepared(OLD)
    const [{ content, properties } = expect.unreachable()] = broker.publications
    expect(properties).toMatchObject({
      ...{
        messageId: 'order-1',
        correlationId: 'order-1',
        timestamp: 1_790_000_000,
        persistent: true,
        mandatory: true,
      },
      ...{ contentType: 'application/json', contentEncoding: 'utf-8' },
    })
    expect(decode(properties, content)).toMatchObject({ id: 'order-1', run: OLD.run, input: { name: 'Zoë \u0000' } })
  })

  it('is written in the format that the fixture has', async () => {
    const prepared = await prepare(task, { name: 'Zoë \u0000' }, { id: 'order-1' })
    const { run } = prepared
    expect(overJson(prepared)).toEqual({
      ...OLD,
      run,
      headers: { ...OLD.headers, [headers.run]: run, [headers.sent]: run },
    })
  })

  it('is refused as by send when its input, its size or its options do not fit', async () => {
    await expect(prepare(task, { name: 1 } as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(prepare(task, { name: 'x'.repeat(100) }, { maxMessageBytes: 99 })).rejects.toMatchObject({
      ...{ code: 'PAYLOAD_TOO_LARGE', maxBytes: 99 },
    })
    await expect(prepare(task, { name: 'x' }, { delay: 1 } as never)).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
    await expect(prepare({} as never, {})).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
    await expect(prepare(task, { name: 'x' }, { id: 'x'.repeat(256) })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})

describe('publishPrepared refuses, and publishes nothing of,', () => {
  it.each([
    ['what is no record', 'text', 'INVALID_OPTIONS', /what prepare\(\) returns, got: a string/],
    ['null', null, 'INVALID_OPTIONS', /got: null/],
    ['a record of a newer version', { ...OLD, version: 2 }, 'INVALID_MESSAGE', /got format 2: a newer version/],
    ['one without a body', { ...OLD, body: undefined }, 'INVALID_MESSAGE', /`body`/],
    ['one whose parts differ', { ...OLD, id: 1, headers: [] }, 'INVALID_MESSAGE', /`id`, `headers`/],
    ['one of a task that cannot be', { ...OLD, task: 'a task' }, 'INVALID_MESSAGE', /`task`/],
  ])('%s', async (_, record, code, message) => {
    const publishing = warren.publishPrepared(record as never)
    await expect(publishing).rejects.toMatchObject({ code })
    await expect(publishing).rejects.toThrow(message)
    expect(broker.publications).toEqual([])
  })

  it('one that is too large, and any when it is closed', async () => {
    const small = new Warren({ broker: 'amqp://localhost', logger: false, maxMessageBytes: 10 })
    await expect(small.publishPrepared(OLD)).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
    await small.close()
    await expect(small.publishPrepared(OLD)).rejects.toMatchObject({ code: 'CLOSED' })
  })
})
