/** The promise: a flow ends whatever becomes of its store, its results, its queues and its clock, and says why. */
import { connect as amqpConnect } from 'amqplib'
import { afterEach, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import {
  chain,
  connect,
  defineTask,
  type FlowEvent,
  type FlowFailedError,
  type FlowHandle,
  group,
  join,
  step,
  type Warren,
  type Worker,
} from '../../src/index.js'
import { type ClusterUrls, consuming, manage, until, virtualHost } from '../support/cluster.js'
import { atEnd, type OwnStore, ownStore } from '../support/ownStore.js'

const SERVICE = 'flow-ends'
const RESULT = { timeoutMs: 40_000 }
const text = defineTask({ name: 'payment.ends.text', input: z.object({ size: z.number() }), output: z.string() })
const held = defineTask({ name: 'payment.ends.held', input: z.object({}), output: z.number() })
const lengths = defineTask({ name: 'payment.ends.lengths', input: z.object({ of: z.array(z.unknown()) }) })
const idle = defineTask({ name: 'payment.ends.idle', input: z.object({}), output: z.number() })
const urgent = defineTask({ name: 'payment.ends.urgent', input: z.object({}), output: z.number(), priority: true })
const tasks = [text, held, lengths, idle, urgent]

let urls: ClusterUrls & { readonly vhost: string }
let store: OwnStore
let warren: Warren
let worker: Worker
const release: (() => void)[] = []

beforeAll(async () => {
  const retention = { [idle.name]: { deliveryLimit: 1 } }
  ;[urls, store] = await Promise.all([virtualHost(SERVICE, tasks, retention), ownStore()])
  warren = await connect({ broker: urls.broker, results: store.url, logger: false, resultTtlMs: 1_500 })
  atEnd(() => warren.close())
  // One that is held leaves places for the others, whichever comes first.
  worker = warren.worker({ service: SERVICE, concurrency: 5 })
  worker.handle(text, ({ size }) => 'x'.repeat(size))
  worker.handle(held, async () => {
    await new Promise<void>((resolve) => release.push(resolve))
    return 1
  })
  worker.handle(lengths, ({ of }) => of.length)
  worker.handle(urgent, () => 1)
  await consuming(worker)
  // Leaves its queue behind.
  const gone = warren.worker({ service: SERVICE })
  gone.handle(idle, () => 1)
  await consuming(gone)
  await gone.stop()
})

// What a failed test leaves held must not be taken for the next one's.
afterEach(() => {
  for (const each of release.splice(0)) each()
})

const failureOf = (flow: FlowHandle<unknown>): Promise<FlowFailedError> =>
  flow.result(RESULT).then(
    (value) => Promise.reject(new Error(`expected a failure, got ${JSON.stringify(value)}`)),
    (error: FlowFailedError) => error,
  )

async function letGo(): Promise<void> {
  await until('it is held', () => release.length > 0)
  for (const each of release.splice(0)) each()
}

it('A result that is gone when its step needs it ends the flow as results-expired, and names the step', async () => {
  const flow = await warren.flows.start(
    join([step(text, { size: 5_000 }), step(held, {})], step(lengths, {}, { into: 'of' })),
  )
  await until('the long result is gone', async () => {
    return (await flow.members())[0]?.state === 'succeeded' && (await warren.state(`${flow.id}.0`)) === undefined
  })
  await letGo()
  expect(await failureOf(flow)).toMatchObject({ reason: 'results-expired', member: { id: `${flow.id}.3` } })
})

it('A member that RabbitMQ dead-letters at its delivery limit ends the flow, named, long before the deadline', async () => {
  const flow = await warren.flows.start(group([step(idle, {}), step(held, {})]))
  const failure = failureOf(flow)
  const connection = await amqpConnect(urls.broker)
  const channel = await connection.createChannel()
  // The worker binds it when it first takes up the queue of tokens.
  await until('dead letters of flows are followed', async () => {
    const bindings = await manage<unknown[]>('GET', `/exchanges/${urls.vhost}/payment.dlx/bindings/source`)
    return bindings.length > 1
  })
  await until('it is dead-lettered', async () => {
    const message = await channel.get(`${idle.name}.${SERVICE}`)
    if (message !== false) channel.reject(message, true)
    return (await flow.state())?.state !== 'running'
  })
  await connection.close()
  expect(await failure).toMatchObject({ reason: 'delivery-limit', member: { id: `${flow.id}.0` } })
  await letGo()
})

it('While the store is frozen a flow waits, and ends right afterwards', async () => {
  const flow = await warren.flows.start(chain(step(held, {}), step(urgent, {}, { priority: 'high' })))
  await until('it is held', () => release.length > 0)
  store.process.freeze()
  await letGo()
  await until('the worker notices', () => worker.health().store !== 'available')
  store.process.thaw()
  expect(await flow.result(RESULT)).toBe(1)
})

it('Its events tell what happened, in order, and end with it', async () => {
  const flow = await warren.flows.start(chain(step(text, { size: 1 }), step(urgent, {})))
  const events: FlowEvent[] = []
  for await (const event of flow.events()) events.push(event)
  expect(events.map((event) => ('member' in event ? `${event.kind} ${event.member?.id}` : event.kind))).toEqual([
    ...[
      'started',
      `sent ${flow.id}.0`,
      `succeeded ${flow.id}.0`,
      `sent ${flow.id}.1`,
      `succeeded ${flow.id}.1`,
      'ended',
    ],
  ])
  expect(events.at(-1)).toMatchObject({ state: 'succeeded' })
})

it('A store that is emptied while members run ends the flow with that reason', async () => {
  const flow = await warren.flows.start(join([step(held, {})], step(lengths, {}, { into: 'of' })))
  await until('it is held', () => release.length > 0)
  await store.admin.flushall()
  await letGo()
  expect(await failureOf(flow)).toMatchObject({ reason: 'store-emptied' })
})
