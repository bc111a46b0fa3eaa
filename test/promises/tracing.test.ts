/** The promise: with OpenTelemetry set up, one trace leads from a send to all that comes of it; without, it costs nothing. */
import { createRequire } from 'node:module'
import { context, metrics, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { InstrumentationModuleDefinition } from '@opentelemetry/instrumentation'
import { AmqplibInstrumentation } from '@opentelemetry/instrumentation-amqplib'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node'
import type { Channel } from 'amqplib'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { type ClusterUrls, consuming, until, virtualHost } from '../support/cluster.js'

// The build: isolates need files that Node can load.
const built: string = new URL('../../dist/src/index.js', import.meta.url).href
const { connect, defineTask } = (await import(built)) as typeof import('../../src/index.js')

const SERVICE = 'traced'
const input = z.object({ what: z.string() })
const seen = z.object({ traceId: z.string(), spanId: z.string(), afterwards: z.string() })
const retry = { maxAttempts: 2, initialDelayMs: 100, backoff: 'fixed' as const }
const flaky = defineTask({ name: 'payment.traced.flaky', input, retry })
const delayed = defineTask({ name: 'payment.traced.delayed', input })
const ticked = defineTask({ name: 'payment.traced.ticked', input })
const isolated = (['thread', 'process'] as const).map((isolation) => ({
  isolation,
  task: defineTask({ name: `payment.traced.${isolation}`, input, output: seen }),
}))
const failing = defineTask({ name: 'payment.traced.failing', input })

const spans = new InMemorySpanExporter()
const measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const readerOf = () => new PeriodicExportingMetricReader({ exporter: measured, exportIntervalMillis: 3_600_000 })
const instrumentation = new AmqplibInstrumentation({})
let urls: ClusterUrls & { readonly vhost: string }

/** Patches amqplib, which is loaded by now, as the instrumentation's hooks do where they come first. */
function channelModel(act: 'patch' | 'unpatch'): void {
  const { files } = (instrumentation as unknown as { init(): InstrumentationModuleDefinition }).init()
  const file = files.find(({ name }) => name.endsWith('channel_model.js'))
  const path = createRequire(import.meta.url)
    .resolve('amqplib')
    .replace('channel_api.js', 'lib/channel_model.js')
  file?.[act](createRequire(import.meta.url)(path), '2.3.1')
}

function setUp(): { readonly reader: PeriodicExportingMetricReader } {
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] })
  provider.register()
  instrumentation.setTracerProvider(provider)
  const reader = readerOf()
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
  return { reader }
}

function takeDown(): void {
  trace.disable()
  metrics.disable()
  context.disable()
  propagation.disable()
  spans.reset()
}

beforeAll(async () => {
  urls = await virtualHost(SERVICE, [flaky, delayed, ticked, failing, ...isolated.map(({ task }) => task)])
  channelModel('patch')
})
afterEach(takeDown)
afterAll(() => channelModel('unpatch'))

const named = (start: string): ReadableSpan[] => spans.getFinishedSpans().filter(({ name }) => name.startsWith(start))
const one = (start: string): ReadableSpan => {
  const [found, ...more] = named(start)
  if (found === undefined || more.length > 0) throw new Error(`expected one span ${start}, got ${1 + more.length}`)
  return found
}
const idOf = (span: ReadableSpan): string => span.spanContext().spanId
const linksOf = ({ links }: ReadableSpan): string[] => links.map(({ context: { spanId } }) => spanId)

it('one trace leads from a sender through a retry, a delay, a schedule and isolated handlers', async () => {
  setUp()
  await using warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  const schedules = warren.schedules({ service: SERVICE })
  const worker = warren.worker({ service: SERVICE, concurrency: 4 })
  const answers: { isolation: string; seen: z.infer<typeof seen> }[] = []
  worker.handle(flaky, async ({ what }, { number }) => {
    if (number === 1) throw new RangeError('the first attempt fails')
    await warren.send(delayed, { what }, { delayMs: 2_000 })
  })
  worker.handle(delayed, async ({ what }) => {
    await schedules.upsert('traced', { task: ticked, input: { what }, everyMs: 1_000 })
  })
  worker.handle(ticked, async ({ what }) => {
    if (!(await schedules.remove('traced'))) return
    for (const { task, isolation } of isolated) {
      const handle = await warren.send(task, { what })
      answers.push({ isolation, seen: await handle.result({ timeoutMs: 20_000 }) })
    }
  })
  for (const { task, isolation } of isolated) {
    worker.handle(task, { module: new URL('../support/tracedIsolate.mjs', import.meta.url), isolation })
  }
  await consuming(worker)
  const root = await trace.getTracer('test').startActiveSpan('a request', async (span) => {
    const handle = await warren.send(flaky, { what: 'all' })
    span.end()
    expect(handle.id).toBeTruthy()
    return span.spanContext()
  })
  await until('the isolated handlers', () => answers.length === isolated.length)
  await worker.stop()

  const send = (task: { name: string }) => `send payment.commands:${task.name}`
  const process = (task: { name: string }) => `process payment.commands:${task.name}:${task.name}.${SERVICE}`
  const settle = (how: string, task: { name: string }) => `${how} payment.commands:${task.name}:${task.name}.${SERVICE}`
  const all = spans.getFinishedSpans()
  expect(all.filter((span) => span.spanContext().traceId !== root.traceId).map(({ name }) => name)).toEqual([])
  expect(new Set(all.map(({ instrumentationScope: { name } }) => name))).toEqual(new Set(['warren', 'test']))

  const sent = one(send(flaky))
  expect(sent).toMatchObject({ kind: SpanKind.PRODUCER, parentSpanContext: { spanId: root.spanId } })
  expect(sent.attributes).toMatchObject({
    'messaging.system': 'rabbitmq',
    'messaging.operation.name': 'send',
    'messaging.operation.type': 'send',
    'messaging.destination.name': `payment.commands:${flaky.name}`,
    'messaging.rabbitmq.destination.routing_key': flaky.name,
  })
  const attempts = named(process(flaky))
  expect(attempts.map(({ attributes }) => attributes['warren.attempt'])).toEqual([1, 2])
  for (const attempt of attempts) {
    expect(attempt).toMatchObject({ kind: SpanKind.CONSUMER, parentSpanContext: { spanId: idOf(sent) } })
    expect(linksOf(attempt)).toEqual([idOf(sent)])
    expect(attempt.attributes['messaging.message.id']).toBe(sent.attributes['messaging.message.id'])
  }
  const [first, second] = attempts as [ReadableSpan, ReadableSpan]
  expect(first.status).toEqual({ code: SpanStatusCode.ERROR, message: 'the first attempt fails' })
  expect(first.attributes).toMatchObject({ 'error.type': 'RangeError', 'warren.outcome': 'retried' })
  expect(one(settle('retry', flaky))).toMatchObject({
    kind: SpanKind.CLIENT,
    parentSpanContext: { spanId: idOf(first) },
    attributes: { 'messaging.operation.type': 'settle', 'warren.settled': 'acknowledged' },
  })
  const acknowledged = one(settle('ack', flaky))
  expect(acknowledged.parentSpanContext?.spanId).toBe(idOf(second))
  expect(linksOf(acknowledged)).toEqual([idOf(sent)])

  const later = one(send(delayed))
  expect(later.parentSpanContext?.spanId).toBe(idOf(second))
  expect(later.attributes['warren.due']).toEqual(expect.any(String))
  const defining = one(process(delayed))
  expect(defining.parentSpanContext?.spanId).toBe(idOf(later))

  const [tick] = named(send(ticked))
  expect(tick?.parentSpanContext?.spanId).toBe(idOf(defining))
  const ticks = named(process(ticked))
  expect(ticks[0]?.parentSpanContext?.spanId).toBe(tick && idOf(tick))

  expect(answers.map(({ isolation }) => isolation)).toEqual(['thread', 'process'])
  for (const [index, { task }] of isolated.entries()) {
    const running = one(process(task))
    expect(running.parentSpanContext?.spanId).toBe(idOf(one(send(task))))
    const here = { traceId: root.traceId, spanId: idOf(running), afterwards: idOf(running) }
    expect(answers[index]?.seen).toEqual(here)
  }
})

it('sends, attempts and settling are measured by the conventions, and what fails says why', async () => {
  const { reader } = setUp()
  await using warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  const worker = warren.worker({ service: SERVICE })
  worker.handle(failing, () => Promise.reject(new TypeError('never works')))
  await consuming(worker)
  await trace.getTracer('test').startActiveSpan('not this one', async (span) => {
    await expect(warren.send(defineTask({ name: 'payment.traced.nobody', input }), { what: '' })).rejects.toThrow()
    span.end()
  })
  const handle = await warren.send(failing, { what: '' })
  await expect(handle.result({ timeoutMs: 20_000 })).rejects.toMatchObject({ code: 'TASK_FAILED' })
  await worker.stop()
  expect(one('send payment.commands:payment.traced.nobody').attributes['error.type']).toBe('UNROUTABLE')
  expect(one('process').parentSpanContext?.spanId).toBe(idOf(one(`send payment.commands:${failing.name}`)))
  expect(one('dead_letter').attributes['warren.outcome']).toBe('deadLettered')

  await reader.forceFlush()
  await reader.shutdown()
  const points = measured
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics)
    .filter(({ scope }) => scope.name === 'warren')
    .flatMap((each) => each.metrics)
    .flatMap(({ descriptor, dataPoints }) =>
      dataPoints.map(({ attributes, value }) => ({
        name: descriptor.name,
        operation: attributes['messaging.operation.name'],
        error: attributes['error.type'],
        count: typeof value === 'number' ? value : value.count,
      })),
    )
  const ok = { error: undefined, count: 1 }
  expect(points).toEqual(
    expect.arrayContaining([
      { name: 'messaging.client.sent.messages', operation: 'send', error: 'UNROUTABLE', count: 1 },
      { name: 'messaging.client.sent.messages', operation: 'send', ...ok },
      { name: 'messaging.client.operation.duration', operation: 'send', ...ok },
      { name: 'messaging.client.operation.duration', operation: 'dead_letter', ...ok },
      { name: 'messaging.client.consumed.messages', operation: 'process', ...ok },
      { name: 'messaging.process.duration', operation: 'process', error: 'TypeError', count: 1 },
    ]),
  )
})

it("beside amqplib's instrumentation nothing is doubled, and what others do with amqplib is still seen", async () => {
  setUp()
  await using warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  const worker = warren.worker({ service: SERVICE })
  worker.handle(delayed, () => undefined)
  await consuming(worker)
  await (await warren.send(delayed, { what: '' })).result({ timeoutMs: 20_000 })
  await worker.stop()
  // The task may have ended before the sender has its confirm.
  const finished = spans.getFinishedSpans().toSorted((a, b) => a.kind - b.kind)
  expect(finished.map(({ instrumentationScope: { name }, kind }) => [name, kind])).toEqual([
    ['warren', SpanKind.CLIENT],
    ['warren', SpanKind.PRODUCER],
    ['warren', SpanKind.CONSUMER],
  ])
  spans.reset()
  const { connect: amqpConnect } = await import('amqplib')
  const connection = await amqpConnect(urls.broker)
  const channel: Channel = await connection.createChannel()
  channel.publish('', 'nowhere', Buffer.from(''))
  await connection.close()
  expect(spans.getFinishedSpans().map(({ instrumentationScope: { name } }) => name)).toEqual([
    '@opentelemetry/instrumentation-amqplib',
  ])
})

it('where OpenTelemetry is not set up, messages carry no trace and no spans are made', async () => {
  await using warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  const worker = warren.worker({ service: SERVICE })
  const active: unknown[] = []
  worker.handle(delayed, () => void active.push(trace.getActiveSpan()))
  await consuming(worker)
  await (await warren.send(delayed, { what: '' })).result({ timeoutMs: 20_000 })
  expect(active).toEqual([undefined])
  expect(named('').filter(({ instrumentationScope: { name } }) => name === 'warren')).toEqual([])
})
