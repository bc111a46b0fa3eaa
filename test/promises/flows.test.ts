/** The promise: a flow always ends: with its result, each later step run once, or with a reason that names the member. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import {
  chain,
  connect,
  defineTask,
  type FlowFailedError,
  group,
  join,
  Reject,
  step,
  type Warren,
} from '../../src/index.js'
import { flowKey } from '../../src/wire/names.js'
import { type ClusterUrls, consuming, manage, until, virtualHost } from '../support/cluster.js'
import { atEnd, type OwnStore, ownStore } from '../support/ownStore.js'

const SERVICE = 'flows'
const RESULT = { timeoutMs: 30_000 }
const number = defineTask({
  name: 'payment.flow.number',
  input: z.object({ n: z.number(), how: z.string().optional() }),
  output: z.number(),
})
const double = defineTask({ name: 'payment.flow.double', input: z.number(), output: z.number() })
const sum = defineTask({
  name: 'payment.flow.sum',
  input: z.object({ of: z.array(z.number().nullable()), plus: z.number() }),
  output: z.number(),
})
const text = defineTask({ name: 'payment.flow.text', input: z.object({ size: z.number() }), output: z.string() })
const lengths = defineTask({
  name: 'payment.flow.lengths',
  input: z.array(z.string()),
  output: z.array(z.number()),
})
const lost = defineTask({ name: 'payment.flow.lost', input: z.object({}), output: z.string() })

let urls: ClusterUrls & { readonly vhost: string }
let store: OwnStore
let warren: Warren
const runs: string[] = []
let finish: () => void = () => undefined

beforeAll(async () => {
  ;[urls, store] = await Promise.all([virtualHost(SERVICE, [number, double, sum, text, lengths, lost]), ownStore()])
  warren = await connect({ broker: urls.broker, results: store.url, logger: false })
  atEnd(() => warren.close())
  const worker = warren.worker({ service: SERVICE, concurrency: 50 })
  const waits = new Promise<void>((resolve) => {
    finish = resolve
  })
  worker.handle(number, async ({ n, how }, { id }) => {
    runs.push(id)
    if (how === 'reject') throw new Reject('not this one')
    if (how === 'wait') await waits
    return n
  })
  worker.handle(double, (n, { id }) => {
    runs.push(id)
    return 2 * n
  })
  worker.handle(sum, ({ of, plus }, { id }) => {
    runs.push(id)
    return of.reduce<number>((total, each) => total + (each ?? 0), plus)
  })
  worker.handle(text, ({ size }) => 'x'.repeat(size))
  worker.handle(lengths, (texts) => texts.map(({ length }) => length))
  await consuming(worker)
  // Leaves its queue behind.
  const gone = warren.worker({ service: SERVICE })
  gone.handle(lost, () => '')
  await consuming(gone)
  await gone.stop()
})
afterAll(() => warren?.close())

const one = (n: number, how?: string) => step(number, { n, ...(how === undefined ? {} : { how }) })
const total = (plus: number) => step(sum, { plus }, { into: 'of' })
const failureOf = (flow: { result: (options: object) => Promise<unknown> }): Promise<FlowFailedError> =>
  flow.result(RESULT).then(
    (value) => Promise.reject(new Error(`expected a failure, got ${JSON.stringify(value)}`)),
    (error: FlowFailedError) => error,
  )

it('Each step of a chain takes the result of the one before it', async () => {
  const flow = await warren.flows.start(chain(one(4), step(double), step(double)))
  expect(await flow.result(RESULT)).toBe(16)
  expect(await flow.state()).toMatchObject({ id: flow.id, state: 'succeeded', onFailure: 'fail' })
  expect(await flow.members()).toEqual([
    { id: `${flow.id}.0`, task: number.name, state: 'succeeded' },
    { id: `${flow.id}.1`, task: double.name, state: 'succeeded' },
    { id: `${flow.id}.2`, task: double.name, state: 'succeeded' },
  ])
  expect(await warren.flows.handle(flow.id).result(RESULT)).toBe(16)
})

it('A join begins when all of its members have ended, with their results in order; groups of none and one, and nested', async () => {
  const many = Array.from({ length: 300 }, (_, n) => one(n))
  const flows = await Promise.all([
    warren.flows.start(group(many)),
    warren.flows.start(join(many, total(0.5))),
    warren.flows.start(join([] as ReturnType<typeof one>[], total(7))),
    warren.flows.start(group([])),
    warren.flows.start(join([one(9)], total(0))),
    warren.flows.start(join([join([one(1), one(2)], total(10)), chain(one(3), step(double))], total(100))),
    warren.flows.start(chain(one(5), group([step(double), step(double)]), total(1))),
    warren.flows.start(chain(one(5), group([]), group([]))),
    warren.flows.start(group([group([one(1), group([one(2)])]), one(3)])),
  ])
  const results: unknown = await Promise.all(flows.map((flow) => flow.result(RESULT)))
  expect(results).toEqual([many.map((_, n) => n), 44_850.5, ...[7, [], 9, 119, 21, []], [[1, [2]], 3]])
  expect(runs.length).toBe(new Set(runs).size)
})

it('A member that fails ends its flow, is named, and the others are cancelled', async () => {
  const flow = await warren.flows.start(join([one(1), one(2, 'reject'), one(3, 'wait')], total(0)))
  expect(await failureOf(flow)).toMatchObject({
    code: 'FLOW_FAILED',
    reason: 'rejected',
    member: { id: `${flow.id}.1`, task: number.name },
  })
  await until(
    'the member that waits is cancelled',
    async () => (await warren.state(`${flow.id}.2`))?.status === 'REVOKED',
  )
  expect((await flow.members()).map(({ state }) => state)).toEqual(['succeeded', 'failed', 'failed', 'skipped'])
  expect(await warren.state(`${flow.id}.3`)).toBeUndefined()
})

it('With `continue` a group has null for a member that failed, and the rest of its chain is not run', async () => {
  const inner = chain(one(2, 'reject'), step(double))
  const flow = await warren.flows.start(join([one(1), inner, one(3)], total(0)), { onFailure: 'continue' })
  expect(await flow.result(RESULT)).toBe(4)
  expect((await flow.members()).map(({ state }) => state)).toEqual([
    ...['succeeded', 'failed', 'skipped', 'succeeded', 'succeeded'],
  ])
  const last = await warren.flows.start(chain(one(1), one(2, 'reject'), step(double)), { onFailure: 'continue' })
  expect(await failureOf(last)).toMatchObject({ reason: 'rejected', member: { id: `${last.id}.1` } })
})

it('A flow that is cancelled runs nothing more, and one that is started twice under one id is one', async () => {
  const plan = chain(one(1, 'wait'), step(double))
  const flow = await warren.flows.start(plan, { id: 'order-1' })
  expect((await warren.flows.start(plan, { id: 'order-1' })).id).toBe('order-1')
  await expect(warren.flows.start(one(2), { id: 'order-1' })).rejects.toThrow('there is another flow')
  expect(await flow.cancel({ reason: 'the customer left' })).toBe('cancelled')
  expect(await failureOf(flow)).toMatchObject({ reason: 'cancelled', message: expect.stringContaining('customer') })
  expect(await flow.cancel()).toBe('cancelled')
})

it('Results that are too large for a message reach the body by reference', async () => {
  const flow = await warren.flows.start(chain(group([1, 2, 3].map(() => step(text, { size: 400_000 }))), step(lengths)))
  expect(await flow.result(RESULT)).toEqual([400_000, 400_000, 400_000])
})

it('What cannot be started is refused before anything is sent', async () => {
  const { flows } = warren
  const before = runs.length
  await expect(flows.start(step(number, { n: 'x' } as never))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  await expect(flows.start(step(double) as never)).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
  expect(() => chain(one(1), {} as never)).toThrow('expected parts')
  await expect(flows.start(one(1), { deadline: 3 } as never)).rejects.toThrow('did you mean')
  const large = Array.from({ length: 20_001 }, () => one(1))
  await expect(flows.start(group(large))).rejects.toMatchObject({ code: 'FLOW_TOO_LARGE' })
  expect(runs.length).toBe(before)
})

it('A flow whose member does not end, ends at its deadline; one whose store was emptied, with that reason', async () => {
  const forgotten = await warren.flows.start(chain(step(lost, {}), one(1)), { deadlineMs: 60_000 })
  const late = await warren.flows.start(chain(step(lost, {}), one(1)), { deadlineMs: 1_000 })
  await store.admin.del(flowKey(forgotten.id))
  expect(await failureOf(late)).toMatchObject({ reason: 'deadline', member: { id: `${late.id}.0` } })
  expect(await failureOf(forgotten)).toMatchObject({ reason: 'store-emptied' })
})

it('A member that was sent and whose queue is deleted ends the flow, named', async () => {
  const flow = await warren.flows.start(chain(step(lost, {}), one(1)))
  const vhost = encodeURIComponent(urls.vhost)
  // The watchdog has to see the queue once.
  await until('the watchdog has come by', async () => Number(await store.admin.hget(flowKey(flow.id), 'visit')) >= 1)
  await manage('DELETE', `/queues/${vhost}/${lost.name}.${SERVICE}`)
  expect(await failureOf(flow)).toMatchObject({ reason: 'queue-deleted', member: { id: `${flow.id}.0` } })
  finish()
})
