/** What a worker does when RabbitMQ takes messages back, since they were held for too long. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { brokerOf } from '../../src/amqp/broker.js'
import { type Logger, silentLogger } from '../../src/task/logger.js'
import { defineTask } from '../../src/task/task.js'
import {
  FakeBroker,
  type FakeChannel,
  FakeClock,
  FakeStore,
  queueOf,
  taskMessage,
  workerOn,
} from '../support/harness/index.js'

const input = z.object({})
const task = defineTask({ name: 'payment.card.charge', input })
const QUEUE = queueOf(task)

let clock: FakeClock
let broker: FakeBroker
beforeEach(() => {
  clock = new FakeClock()
  broker = new FakeBroker()
  broker.version = '4.3.6'
})
afterEach(() => clock.stop())

const consuming = (): FakeChannel[] => broker.channels.filter((each) => each.consumers(QUEUE).length > 0)
const deliver = (id: string, parts = {}) => broker.deliver(QUEUE, taskMessage(task, {}, id, parts))

/** A started worker with two subscriptions on one channel, whose handlers never end: it starts four. */
async function hung() {
  const { worker } = workerOn(broker, undefined, { concurrency: 4 })
  const aborted = new Map<string, unknown>()
  const reasons: string[] = []
  worker.on('consumerState', ({ state, reason }) => state === 'waiting' && reasons.push(reason ?? ''))
  worker.handle(task, (_input, { id, signal }) => {
    signal.addEventListener('abort', () => aborted.set(id, signal.reason))
    return new Promise(() => undefined)
  })
  await worker.start()
  for (let n = 0; n < 8; n++) {
    deliver(`later-${n}`, { properties: { headers: { 'x-warren-due': Date.now() + 1_400 } } })
  }
  await clock.until('a second subscription', () => consuming()[0]?.consumers(QUEUE).length === 2)
  const [channel] = consuming()
  const [first, second] = channel?.consumers(QUEUE) ?? []
  return { worker, aborted, reasons, channel: channel as FakeChannel, first, second: second as string }
}

describe('A consumer timeout', () => {
  it('from 4.3 on takes back what that one consumer holds, and says so; what another holds runs on', async () => {
    const { aborted, reasons, channel, first, second } = await hung()
    const kept = deliver('kept', { consumerTag: first })
    const old = deliver('old', { consumerTag: second })
    await clock.advance(90_000)
    const young = deliver('young', { consumerTag: second })
    await clock.settle()
    channel.cancelByBroker(second)
    await clock.until('another channel consumes', () => consuming().some((each) => each !== channel))
    expect([...aborted.keys()]).toEqual(['old'])
    expect(aborted.get('old')).toMatchObject({ code: 'CONSUMER_TIMEOUT' })
    expect(reasons).toEqual([
      expect.stringMatching(/consumer timeout of payment\.card\.charge\.test has passed \(held for 9\d s\)/),
    ])
    // Else RabbitMQ would close the channel, and with it what the other consumer holds, when the young one's time comes.
    expect([old.settlement, young.settlement]).toEqual(['requeued', 'requeued'])
    expect(kept.settlement).toBeUndefined()
    expect(channel.open).toBe(true)
  })

  it('is not what is said when the queue was deleted', async () => {
    const { aborted, reasons, channel, second } = await hung()
    deliver('lost', { consumerTag: second })
    await clock.settle()
    broker.answer('checkQueue', () => {
      throw Object.assign(new Error(`NOT_FOUND - no queue '${QUEUE}' in vhost '/'`), { code: 404 })
    })
    channel.cancelByBroker(second)
    await clock.until('it waits', () => reasons.length > 0)
    expect(reasons[0]).toContain('the queue was deleted')
    expect(String(aborted.get('lost'))).toContain('the queue was deleted')
  })

  it('up to 4.2 closes the channel, and RabbitMQ says how long it was', async () => {
    broker.version = '4.2.1'
    const { aborted, reasons, channel, first } = await hung()
    deliver('old', { consumerTag: first })
    await clock.settle()
    channel.closeByBroker(
      406,
      'PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 1800000 ms. This timeout value can be configured, see consumers doc guide to learn more',
    )
    await clock.until('it waits', () => reasons.length > 0)
    expect(aborted.get('old')).toMatchObject({ code: 'CONSUMER_TIMEOUT' })
    expect(reasons[0]).toContain('has passed (1800 s)')
  })
})

describe('A run that a consumer timeout ended', () => {
  const DUE = { 'x-acquired-count': 1 }

  it('is counted by RabbitMQ, since whoever gets the message next returns it once, counted, for each; then it runs', async () => {
    const store = new FakeStore()
    store.answer('countRedelivery', () => 1)
    const { worker } = workerOn(broker, store, { concurrency: 2 })
    let started = 0
    worker.handle(task, () => {
      started++
      return new Promise(() => undefined)
    })
    await worker.start()
    const [channel] = consuming()
    deliver('hangs')
    await clock.settle()
    channel?.cancelByBroker(channel.consumers(QUEUE)[0] as string)
    await clock.until('another channel consumes', () => consuming().some((each) => each !== channel))
    expect(store.asked('countRedelivery')).toEqual([[QUEUE, 'hangs']])
    broker.script.calls.length = 0
    const again = deliver('hangs', { redelivered: true, properties: { headers: DUE } })
    await clock.until('it is returned', () => again.settlement !== undefined)
    expect(again.settlement).toBe('requeued')
    expect([broker.asked('reject').length, broker.asked('nack').length, started]).toEqual([1, 0, 1])
    deliver('hangs', { redelivered: true, properties: { headers: { 'x-acquired-count': 2, 'x-delivery-count': 1 } } })
    await clock.until('it runs', () => started === 2)
  })

  it('on another worker counts just the same: the store has noted it', async () => {
    const store = new FakeStore()
    store.answer('ask', () => '2')
    const { worker } = workerOn(broker, store)
    let started = 0
    worker.handle(task, () => void started++)
    await worker.start()
    const headers = { 'x-acquired-count': 3, 'x-delivery-count': 1 }
    const delivery = deliver('hangs', { redelivered: true, properties: { headers } })
    await clock.until('it is returned', () => delivery.settlement !== undefined)
    expect([delivery.settlement, broker.asked('reject').length, started]).toEqual(['requeued', 1, 0])
  })

  it('is not taken for what was only given back, and that is no suspect either', async () => {
    const { worker } = workerOn(broker, new FakeStore(), { concurrency: 2 })
    worker.handle(task, () => undefined)
    await worker.start()
    const delivery = deliver('returned', { redelivered: true, properties: { headers: DUE } })
    await clock.until('it is done', () => delivery.settlement !== undefined)
    expect(delivery.settlement).toBe('acked')
    // A suspect would run alone, with all consumers paused.
    expect(broker.asked('cancel')).toEqual([])
  })
})

describe('A task that may take longer than the consumer timeout', () => {
  const slow = defineTask({ name: 'payment.card.slow', input, timeoutMs: 3_600_000 })
  const endless = defineTask({ name: 'payment.card.endless', input, timeoutMs: Infinity })
  const classic = defineTask({ name: 'payment.card.classic', input, timeoutMs: 3_600_000, queue: { type: 'classic' } })

  async function warnings(version: string, options = {}): Promise<string[]> {
    broker.version = version
    const said: string[] = []
    const log: Logger = { ...silentLogger, warn: (_fields: unknown, text?: string) => void said.push(text ?? '') }
    const { worker } = workerOn(broker, undefined, options, log)
    for (const each of [task, slow, endless, classic]) worker.handle(each, () => undefined)
    await worker.start()
    expect(worker.health()).toMatchObject({ ready: true, problems: said })
    await worker.stop()
    return said.map((text) => /at (\S+) may take/.exec(text)?.[1] ?? text)
  }

  it('is warned of at the start: RabbitMQ 4.3 has no timeout for classic queues', async () => {
    expect(await warnings('4.3.6')).toEqual([slow.name, endless.name])
    expect(await warnings('4.2.0')).toEqual([slow.name, endless.name, classic.name])
  })

  it('is compared with consumerTimeoutMs, which RabbitMQ 4.3 is asked for on quorum queues', async () => {
    const options = { consumerTimeoutMs: 7_200_000, prefetch: 5 }
    expect(await warnings('4.3.6', options)).toEqual([endless.name])
    const asked = () =>
      broker.asked('consume').map(([queue, , given]) => [queue, (given as { arguments: object }).arguments])
    expect(asked()).toContainEqual([queueOf(slow), { 'x-consumer-timeout': 7_200_000 }])
    expect(asked()).toContainEqual([queueOf(classic), {}])
    broker = new FakeBroker()
    expect(await warnings('4.2.0', options)).toEqual([endless.name])
    expect(asked()).toContainEqual([queueOf(slow), {}])
  })
})

it.each([
  ['3.10.8', undefined, true, 'channel'],
  ['4.0.5', 20, true, 'channel'],
  ['4.2.1', 20, true, 'channel'],
  ['4.3.6', 20, false, 'consumer'],
  ['4.10.0', 20, false, 'consumer'],
  ['5.0.0-beta.1', 20, false, 'consumer'],
  ['', undefined, true, 'channel'],
  [undefined, undefined, true, 'channel'],
])(
  'What RabbitMQ %s says of itself decides what Warren expects of it',
  (version, deliveryLimit, countsReturns, ends) => {
    const connection = { serverProperties: { product: 'RabbitMQ', version } } as never
    expect(brokerOf({ connection })).toMatchObject({ deliveryLimit, countsReturns, consumerTimeout: { ends } })
  },
)

it('A broker that is not RabbitMQ is taken for the oldest', () => {
  const connection = { serverProperties: { product: 'LavinMQ', version: '4.3.0' } } as never
  expect(brokerOf({ connection })).toMatchObject({
    name: 'LavinMQ 4.3.0',
    countsReturns: true,
    deliveryLimit: undefined,
  })
})
