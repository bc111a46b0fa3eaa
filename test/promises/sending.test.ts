/** The promise: `send` resolves when the broker has the message, and otherwise says which of a few things happened. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, taskQueue, type Warren } from '../../src/index.js'
import { type BehaveTask, behave, behaveTask, type Seen } from '../support/behave.js'
import { type ClusterUrls, clusterUrls, consuming, until, virtualHost, waiting } from '../support/cluster.js'
import { cuttableProxy } from '../support/proxy.js'

const SERVICE = 'sending'
const task: BehaveTask = behaveTask('payment.sending.task')
const big = defineTask({ name: 'payment.sending.big', input: z.object({ text: z.string() }) })
const loose = defineTask({ name: 'payment.sending.loose', input: z.unknown() })

let urls: ClusterUrls
let warren: Warren
const seen: Seen[] = []

beforeAll(async () => {
  urls = await virtualHost(SERVICE, [task, big, loose])
  warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  const worker = warren.worker({ service: SERVICE, concurrency: 2 })
  worker.handle(task, behave(seen))
  worker.handle(big, ({ text }) => text.length)
  worker.handle(loose, () => null)
  await consuming(worker)
})
afterAll(() => warren?.close())

describe('Bad input is refused before anything is published', () => {
  it('input that does not fit its schema', async () => {
    // @ts-expect-error the types refuse it too
    const sending = warren.send(task, { does: ['dance'] })
    await expect(sending).rejects.toMatchObject({ code: 'INVALID_INPUT', issues: [{ path: 'does[0]' }] })
  })

  it.each([
    ['a BigInt', { n: 1n }],
    ['undefined', undefined],
    ['a function', () => 1],
  ])('input that JSON cannot carry: %s', async (_what, input) => {
    await expect(warren.send(loose, input)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('a message of 10 MB, with the limit and the way out named; a raised limit takes it', async () => {
    const text = 'x'.repeat(10_000_000)
    const sending = warren.send(big, { text })
    await expect(sending).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE', maxBytes: 4 * 1024 * 1024 })
    await expect(sending).rejects.toThrow(/maxMessageBytes/)
    await using larger = await connect({
      broker: urls.broker,
      results: urls.results,
      logger: false,
      maxMessageBytes: 12_000_000,
    })
    const handle = await larger.send(big, { text })
    expect(await handle.result({ timeoutMs: 20_000 })).toBe(10_000_000)
  })

  it('options: all that is wrong in one error, unknown ones with the nearest known', async () => {
    const wrong = { broker: 'http://here', resutls: 'redis://x', maxUnconfirmed: 0 }
    // In one message, in whichever order.
    await expect(connect(wrong as never)).rejects.toThrow(
      /^(?=.*resutls.*did you mean `results`)(?=.*maxUnconfirmed.*got: 0)/,
    )
    await expect(connect({ broker: 'http://here' })).rejects.toThrow(/amqp:\/\//)
    expect(() => warren.worker({ service: 'x y' })).toThrow(/service/)
    expect(() => defineTask({ name: 'oneword', input: z.string() })).toThrow(/at least two segments/)
  })
})

describe('connect() fails where it is called', () => {
  const nobody = 'amqp://admin:admin@127.0.0.1:1'
  it('no broker there', async () => {
    const connecting = connect({ broker: nobody, connectTimeoutMs: 300, logger: false })
    await expect(connecting).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' })
    await expect(connecting).rejects.toThrow(/127\.0\.0\.1:1 .*that a node runs there/)
  })
  it('a wrong password, at once and without showing it', async () => {
    const broker = clusterUrls().broker.replace('admin:admin', 'admin:s3cret')
    const connecting = connect({ broker, logger: false })
    await expect(connecting).rejects.toMatchObject({ code: 'ACCESS_REFUSED' })
    await expect(connecting).rejects.not.toThrow(/s3cret/)
  })
  it('an unknown virtual host', async () => {
    await expect(connect({ broker: clusterUrls('admin', 'nowhere').broker, logger: false })).rejects.toMatchObject({
      code: 'ACCESS_REFUSED',
    })
  })
  it('no store there', async () => {
    const connecting = connect({
      broker: urls.broker,
      results: 'redis://127.0.0.1:1',
      connectTimeoutMs: 500,
      logger: false,
    })
    await expect(connecting).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
  })
  it('asking for a result without a store', async () => {
    await using storeless = await connect({ broker: urls.broker, logger: false })
    const handle = await storeless.send(task, { does: ['return'] })
    await expect(handle.result()).rejects.toMatchObject({ code: 'NO_RESULT_STORE' })
  })
})

describe('A result', () => {
  it('that does not come in time rejects, and can be asked for again', async () => {
    const handle = warren.handle(task, 'a-task-that-was-never-sent')
    await expect(handle.result({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'RESULT_TIMEOUT', retryable: true })
    await expect(handle.result({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    expect(await handle.state()).toBeUndefined()
  })

  it('of many tasks is waited for with one subscription', async () => {
    const handles = await Promise.all(Array.from({ length: 300 }, () => warren.send(task, { does: ['return'] })))
    const results = await Promise.all(handles.map((handle) => handle.result({ timeoutMs: 20_000 })))
    expect(results).toHaveLength(300)
    const subscriptions = await subscribedChannels(urls.results)
    expect(subscriptions.filter((channel) => handles.some(({ id }) => channel.includes(id)))).toEqual([])
  })
})

describe('sendMany', () => {
  it('takes any iterable, in order, and tells of each', async () => {
    async function* inputs() {
      for (let i = 0; i < 50; i++) yield { does: ['return' as const] }
    }
    const indexes: number[] = []
    const summary = await warren.sendMany(task, inputs(), { onSent: (_handle, index) => indexes.push(index) })
    expect(summary).toEqual({ sent: 50, failed: 0 })
    expect(indexes.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i))
  })

  it('takes no more than its window ahead of the confirms', async () => {
    await using narrow = await connect({ broker: urls.broker, logger: false, maxUnconfirmed: 7 })
    let taken = 0
    let ended = 0
    let most = 0
    function* inputs() {
      for (let i = 0; i < 200; i++) {
        most = Math.max(most, ++taken - ended)
        yield { does: ['return' as const] }
      }
    }
    await narrow.sendMany(task, inputs(), { onSent: () => ended++ })
    // One more than the window is taken from the iterable before there is room for it.
    expect(most).toBeLessThanOrEqual(8)
  })

  it('ends at the first failure, or tells of each', async () => {
    const inputs = [{ does: ['return'] }, { does: [] }, { does: ['return'] }] as never[]
    await expect(warren.sendMany(task, inputs)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    const failed: number[] = []
    expect(await warren.sendMany(task, inputs, { onFailed: (_error, index) => failed.push(index) })).toEqual({
      sent: 2,
      failed: 1,
    })
    expect(failed).toEqual([1])
  })
})

it('What was in flight when the connection dropped is published again under the same id, and run once', async () => {
  const proxy = await cuttableProxy(urls.broker)
  const broker = proxy.through(urls.broker)
  await using cut = await connect({ broker, results: urls.results, logger: false })
  const republished: number[] = []
  cut.on('republished', ({ count }) => republished.push(count))
  let sent = 0
  const sending = cut.sendMany(
    task,
    Array.from({ length: 2000 }, () => ({ does: ['return' as const] })),
    {
      onSent: () => {
        // In the middle of the stream, with a window in flight.
        if (++sent === 500 || sent === 1200) proxy.cut()
      },
    },
  )
  expect(await sending).toEqual({ sent: 2000, failed: 0 })
  expect(republished.length).toBeGreaterThanOrEqual(1)
  proxy.close()
  await until('an empty queue', async () => (await waiting(urls.broker, taskQueue(task.name, SERVICE))) === 0)
})

it('A message that was never confirmed rejects with UNCONFIRMED at its deadline', async () => {
  const proxy = await cuttableProxy(urls.broker)
  const broker = proxy.through(urls.broker)
  await using cut = await connect({ broker, logger: false, confirmTimeoutMs: 700 })
  await cut.send(task, { does: ['return'] })
  const lost = new Promise<void>((resolve) =>
    cut.on('connectionState', ({ state }) => state === 'waiting' && resolve()),
  )
  proxy.close()
  await lost
  await expect(cut.send(task, { does: ['return'] })).rejects.toMatchObject({
    code: 'UNCONFIRMED',
    written: false,
    retryable: true,
  })
})

it('After close(), send says so; close() twice is fine', async () => {
  const closed = await connect({ broker: urls.broker, logger: false })
  await closed.close()
  await closed.close()
  await expect(closed.send(task, { does: ['return'] })).rejects.toMatchObject({ code: 'CLOSED' })
})

async function subscribedChannels(results: string): Promise<string[]> {
  const { Redis } = await import('iovalkey')
  const store = new Redis(results)
  const channels = (await store.pubsub('CHANNELS')) as string[]
  store.disconnect()
  return channels
}
