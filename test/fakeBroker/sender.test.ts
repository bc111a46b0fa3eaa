/** `send` and what surrounds it, on a broker that does as it is told. */

import { AsyncLocalStorage } from 'node:async_hooks'
import { inspect } from 'node:util'
import {
  type Context,
  type ContextManager,
  context,
  createContextKey,
  propagation,
  ROOT_CONTEXT,
} from '@opentelemetry/api'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, type InputError, type Logger, type Warren } from '../../src/index.js'
import { useBroker } from '../support/harness/amqplib.js'
import type { FakeBroker } from '../support/harness/index.js'

vi.mock('amqplib', () => import('../support/harness/amqplib.js'))

const task = defineTask({ name: 'unit.sender.task', input: z.object({ n: z.number() }) })
const loose = defineTask({ name: 'unit.sender.loose', input: z.any() })
let broker: FakeBroker
let warren: Warren
const lines: string[] = []
const note = (_fields: object, message: string): void => void lines.push(message)
const logger: Logger = { debug: note, info: note, warn: note, error: note }

beforeEach(async () => {
  lines.length = 0
  broker = useBroker()
  warren = await connect({ broker: 'amqp://host', logger })
})
afterEach(() => warren.close())

describe('A listener that throws', () => {
  it.each(['confirmed', 'connectionState', 'republished'] as const)(
    'of %s: sends go on over the same channel',
    async (event) => {
      warren.on(event, () => {
        throw new Error('my listener broke')
      })
      await Promise.all([warren.send(task, { n: 1 }), warren.send(task, { n: 2 })])
      broker.channels[0]?.closeByBroker(406, 'PRECONDITION_FAILED')
      expect((await warren.send(task, { n: 3 })).task).toBe(task.name)
      expect(broker.models).toHaveLength(1)
    },
  )
  it('is logged, once', async () => {
    warren.on('confirmed', async () => {
      throw new Error('my listener broke')
    })
    await warren.send(task, { n: 1 })
    await warren.send(task, { n: 2 })
    await new Promise((resolve) => setImmediate(resolve))
    expect(lines.filter((line) => /A listener of confirmed failed: my listener broke/.test(line))).toHaveLength(1)
  })
})

it('confirmed is told when the sends that it is about are settled', async () => {
  const told: string[] = []
  warren.on('confirmed', ({ id }) => told.push(`${id}: ${sends.map((each) => inspect(each)).join()}`))
  const sends = ['a', 'b'].map((id) => warren.send(task, { n: 1 }, { id }))
  await Promise.all(sends)
  await new Promise((resolve) => setImmediate(resolve))
  expect(told).toHaveLength(2)
  expect(told[0]).toMatch(/^a: Promise { Handle|^a: Promise {\s+Handle/)
  expect(told[1]).not.toContain('pending')
})

it('undefined counts as left out', async () => {
  await using second = await connect({
    broker: 'amqp://host',
    logger,
    confirmTimeoutMs: undefined,
    maxUnconfirmed: undefined,
    maxUnconfirmedBytes: undefined,
    maxMessageBytes: undefined,
    heartbeatSeconds: undefined,
    connectTimeoutMs: undefined,
    resultTtlMs: undefined,
    results: undefined,
    name: undefined,
  })
  const sent = second.send(task, { n: 1 }, { id: undefined, confirmTimeoutMs: undefined, expires: undefined })
  expect((await sent).id).toMatch(/-/)
  expect(await second.sendMany(task, [{ n: 1 }], { signal: undefined })).toEqual({ sent: 1, failed: 0 })
})

it('An unroutable message with a time limit of any length is still told at once', async () => {
  broker.answer('publish', () => 'return')
  for (const confirmTimeoutMs of [2 ** 31, 2 ** 40, Number.POSITIVE_INFINITY]) {
    await expect(warren.send(task, { n: 1 }, { confirmTimeoutMs })).rejects.toMatchObject({ code: 'UNROUTABLE' })
  }
})

it('What JSON would change is refused before anything is published', async () => {
  for (const input of [{ at: new Date() }, { m: new Map() }, [Number.NaN], () => 1, 1n, undefined]) {
    await expect(warren.send(loose, input)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  }
  expect(broker.publications).toEqual([])
})

it('The id of a handle is checked where it is given', () => {
  expect(() => warren.handle(task, undefined as never)).toThrow(/id/)
  expect(() => warren.handle(task, '')).toThrow(/id/)
})

describe('With OpenTelemetry', () => {
  const spanKey = createContextKey('a span of this test')
  /** As `isTracingSuppressed` of @opentelemetry/core asks. */
  const suppressed = (active: Context): boolean =>
    active.getValue(createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING')) === true
  const storage = new AsyncLocalStorage<Context>()
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (active, act, self, ...args) => storage.run(active, () => act.call(self as never, ...args)),
    bind: (_active, target) => target,
    enable: () => manager,
    disable: () => manager,
  }
  beforeEach(() => {
    context.setGlobalContextManager(manager)
    propagation.setGlobalPropagator({
      inject: (active, carrier) => {
        const span = active.getValue(spanKey)
        if (span === undefined || suppressed(active)) return
        ;(carrier as Record<string, unknown>).traceparent = span
      },
      extract: (active) => active,
      fields: () => ['traceparent'],
    })
  })
  afterEach(() => {
    context.disable()
    propagation.disable()
  })

  it("a message carries its sender's context, also where publishing is instrumented and it had to wait", async () => {
    await using narrow = await connect({ broker: 'amqp://host', logger, maxUnconfirmed: 1 })
    const channel = broker.channels.at(-1)
    if (channel === undefined) throw new Error('no channel')
    // As @opentelemetry/instrumentation-amqplib does: it injects what is active when the message is written.
    const publish = channel.publish.bind(channel)
    channel.publish = (exchange, routingKey, content, properties, done) => {
      propagation.inject(context.active(), properties?.headers ?? {})
      return publish(exchange, routingKey, content, properties, done)
    }
    const parents = ['one', 'two', 'three']
    await Promise.all(
      parents.map((parent) =>
        context.with(ROOT_CONTEXT.setValue(spanKey, parent), () => narrow.send(task, { n: 1 }, { id: parent })),
      ),
    )
    const headers = broker.publications.map(({ properties }) => properties.headers ?? {})
    expect(headers.map(({ id, traceparent }) => [id, traceparent])).toEqual(parents.map((each) => [each, each]))
  })
})

describe('What is no task', () => {
  const other = { name: 'unit.sender.other', input: z.any() }
  it.each([undefined, null, 'a.b', {}, { name: 'a.b' }, other, { ...task, input: {} }, { ...task, name: 1 }])(
    'is refused by everything that takes a task: %#',
    async (strange) => {
      const refused = { code: 'INVALID_OPTIONS', message: expect.stringMatching(/expected a task/) }
      await expect(warren.send(strange as never, {} as never)).rejects.toMatchObject(refused)
      await expect(warren.sendMany(strange as never, [])).rejects.toMatchObject(refused)
      expect(() => warren.handle(strange as never, 'id')).toThrow(expect.objectContaining(refused))
      const worker = warren.worker({ service: 'unit' })
      expect(() => worker.handle(strange as never, () => undefined)).toThrow(expect.objectContaining(refused))
    },
  )
  it('is not a task of the same shape that another copy of the package defined', async () => {
    expect((await warren.send({ ...task }, { n: 1 })).task).toBe(task.name)
  })
})

describe('A schema', () => {
  const of = (validate: (value: unknown) => unknown) =>
    defineTask({
      name: 'unit.sender.schema',
      input: { '~standard': { version: 1, vendor: 'unit', validate } } as never,
    })
  it.each([undefined, null, 5, { issues: 'x' }, { issues: [] }, { issues: [null, { message: 5, path: 'abc' }] }])(
    'that returns what no schema returns refuses the input: %#',
    async (returned) => {
      await expect(
        warren.send(
          of(() => returned),
          1 as never,
        ),
      ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    },
  )
  it('that never answers ends with the limit of the send', async () => {
    const sending = warren.send(
      of(() => new Promise(() => undefined)),
      1 as never,
      { confirmTimeoutMs: 20 },
    )
    await expect(sending).rejects.toMatchObject({ code: 'UNCONFIRMED', written: false })
  })
  it('with a hundred thousand issues makes a message that can be read', async () => {
    const issues = Array.from({ length: 100_000 }, (_, index) => ({ message: `issue ${index}` }))
    const error = await warren
      .send(
        of(() => ({ issues })),
        1 as never,
      )
      .catch((error: unknown) => error)
    expect((error as InputError).issues).toHaveLength(100_000)
    expect((error as InputError).message).toMatch(/; issue 19; and 99980 more$/)
  })
})

it.each([
  ['a getter', Object.defineProperty({}, 'x', { get: () => JSON.parse('no'), enumerable: true })],
  ['a proxy', new Proxy({}, { ownKeys: () => JSON.parse('no') })],
])('an input of which reading throws is no input: %s', async (_what, input) => {
  await expect(warren.send(loose, input)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
})

it('a worker is not made once the connection is closed', async () => {
  await warren.close()
  expect(() => warren.worker({ service: 'unit' })).toThrow(expect.objectContaining({ code: 'CLOSED' }))
})
