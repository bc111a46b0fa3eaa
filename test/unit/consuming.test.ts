/** What a worker does about its channels, when the broker does not answer, cancels, or goes away. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineTask } from '../../src/task/task.js'
import { pause } from '../../src/timers.js'
import {
  FakeBroker,
  type FakeChannel,
  FakeClock,
  FakeStore,
  held,
  never,
  queueOf,
  taskMessage,
  workerOn,
} from '../support/harness/index.js'

const input = z.object({})
const task = defineTask({ name: 'payment.card.charge', input })
const other = defineTask({ name: 'payment.card.refund', input })
const [QUEUE, OTHER] = [queueOf(task), queueOf(other)]

let clock: FakeClock
let broker: FakeBroker
beforeEach(() => {
  clock = new FakeClock()
  broker = new FakeBroker()
})
afterEach(() => clock.stop())

/** The channels that consume a queue. */
const consuming = (queue: string): FakeChannel[] => broker.channels.filter((each) => each.consumers(queue).length > 0)
const deliver = (id: string, parts = {}) => broker.deliver(QUEUE, taskMessage(task, {}, id, parts))

/** A handler that ends when it is let, and notes whom it started and whose signal was aborted. */
function gated() {
  const ends = new Map<string, () => void>()
  const aborted: string[] = []
  const handler = (_input: unknown, { id, signal }: { id: string; signal: AbortSignal }): Promise<void> => {
    signal.addEventListener('abort', () => aborted.push(id))
    return new Promise((resolve) => ends.set(id, resolve))
  }
  return { handler, aborted, started: () => [...ends.keys()], end: (id: string) => ends.get(id)?.() }
}

describe('The broker cancels a consumer', () => {
  it('of several on one channel: only what that one delivered is lost, the rest is acknowledged, and then the channel closes', async () => {
    const { worker } = workerOn(broker, undefined, { concurrency: 4 })
    const { handler, aborted, started, end } = gated()
    worker.handle(task, handler)
    await worker.start()
    // Waiting for their time, eight messages make room for others: a second subscription.
    const later = Array.from({ length: 8 }, (_, n) =>
      deliver(`later-${n}`, { properties: { headers: { 'x-warren-due': Date.now() + 1_400 } } }),
    )
    await clock.until('a second subscription', () => consuming(QUEUE)[0]?.consumers(QUEUE).length === 2)
    const [channel] = consuming(QUEUE)
    const [first, second] = channel?.consumers(QUEUE) ?? []
    const kept = deliver('kept', { consumerTag: first })
    const lost = deliver('lost', { consumerTag: second })
    await clock.until('both run', () => started().length === 2)
    channel?.cancelByBroker(second as string)
    await clock.until('another channel consumes', () => consuming(QUEUE).some((each) => each !== channel))
    expect(aborted).toEqual(['lost'])
    end('lost')
    end('kept')
    await clock.until('the rest has run', () => {
      for (const id of started()) end(id)
      return channel?.open === false
    })
    expect(kept.settlement).toBe('acked')
    expect(later.map(({ settlement }) => settlement)).toEqual(later.map(() => 'acked'))
    // Nobody settles what is lost: RabbitMQ has taken it back.
    expect(broker.asked('ack').flat()).not.toContain(lost.message.fields.deliveryTag)
    const acked = broker.script.calls.map(({ method }) => method)
    expect(acked.lastIndexOf('ack')).toBeLessThan(acked.lastIndexOf('close'))
  })

  it('that holds a long handler: it runs to its end on the old channel, while new messages come over another', async () => {
    const { worker } = workerOn(broker, undefined, { concurrency: 2 })
    const { handler, aborted, started, end } = gated()
    worker.handle(task, handler)
    await worker.start()
    const long = deliver('long')
    await clock.settle()
    // The queue's leader is slow: messages wait, none comes, and the watchdog takes another channel.
    broker.answer('checkQueue', () => ({ queue: QUEUE, messageCount: 3, consumerCount: 1 }))
    const [old] = consuming(QUEUE)
    await clock.until('another channel', () => consuming(QUEUE).some((each) => each !== old))
    deliver('next')
    await clock.until('the next runs', () => started().includes('next'))
    expect(aborted).toEqual([])
    expect(old?.open).toBe(true)
    end('long')
    await clock.until('the old channel closes', () => old?.open === false)
    expect(long.settlement).toBe('acked')
  })
})

// The first when the watchdog takes another channel, the others when the prefetch grows.
describe.each(['cancel', 'consume', 'prefetch'] as const)('No answer to %s', (method) => {
  it('does not abort the handler that runs: its channel lives, and new messages come over another', async () => {
    const { worker } = workerOn(broker, undefined, { concurrency: 4 })
    const { handler, aborted, started, end } = gated()
    worker.handle(task, handler)
    await worker.start()
    const [old] = consuming(QUEUE)
    const long = deliver('long')
    await clock.settle()
    broker.answer(method, never, () => (method === 'consume' ? undefined : {}))
    if (method === 'cancel') broker.answer('checkQueue', () => ({ queue: QUEUE, messageCount: 3, consumerCount: 1 }))
    else
      for (let n = 0; n < 8; n++)
        deliver(`later-${n}`, { properties: { headers: { 'x-warren-due': Date.now() + 1_400 } } })
    await clock.until('another channel', () => consuming(QUEUE).some((each) => each !== old))
    expect(aborted).toEqual([])
    expect(started()).toContain('long')
    end('long')
    await clock.until('it is settled', () => long.settlement !== undefined)
    expect(long.settlement).toBe('acked')
  })
})

it('An answer to consume that comes too late brings nothing: the subscription is cancelled', async () => {
  const { worker } = workerOn(broker, undefined, { concurrency: 4 })
  const { handler, end } = gated()
  worker.handle(task, handler)
  await worker.start()
  const [old] = consuming(QUEUE)
  deliver('long')
  await clock.settle()
  const late = held()
  broker.answer('consume', late, () => undefined)
  for (let n = 0; n < 8; n++) deliver(`later-${n}`, { properties: { headers: { 'x-warren-due': Date.now() + 1_400 } } })
  await clock.until('another channel', () => consuming(QUEUE).some((each) => each !== old))
  late.release()
  await clock.until('the old one consumes nothing', () => old?.consumers(QUEUE).length === 0)
  expect(old?.open).toBe(true)
  end('long')
})

describe('A suspect', () => {
  const suspect = { redelivered: true, properties: { headers: { 'x-delivery-count': 2 } } }

  it('runs within a second or so, although another queue is frozen and never answers the cancelling', async () => {
    const { worker } = workerOn(broker, undefined, { concurrency: 2, prefetch: 2 })
    const seen: string[] = []
    worker.handle(task, async (_input, { id }) => void seen.push(id)).handle(other, async () => undefined)
    await worker.start()
    const [frozen] = consuming(OTHER)
    const tag = frozen?.consumers(OTHER)[0]
    broker.answer('cancel', ((asked: string) => (asked === tag ? new Promise(() => undefined) : {})) as never)
    const delivery = deliver('suspect', suspect)
    await clock.until('it has run', () => delivery.settlement === 'acked', 1_500)
    expect(seen).toEqual(['suspect'])
    // Its own queue goes on at once.
    await clock.until('consuming again', () => consuming(QUEUE).length > 0, 500)
  })

  it('is none that nobody has had before: a count in its header is its sender’s', async () => {
    const { worker } = workerOn(broker, undefined, { concurrency: 2, prefetch: 2 })
    const seen: { id: string; redelivered: boolean }[] = []
    worker.handle(task, async (_input, { id, redelivered }) => void seen.push({ id, redelivered }))
    await worker.start()
    const delivery = deliver('forged', { properties: { headers: { 'x-delivery-count': 51, 'x-acquired-count': 51 } } })
    await clock.until('it has run', () => delivery.settlement === 'acked', 1_500)
    expect(seen).toEqual([{ id: 'forged', redelivered: false }])
    expect(broker.asked('cancel')).toEqual([])
  })

  it('of a stopped worker is requeued, and leaves no mark', async () => {
    const store = new FakeStore()
    const late = held()
    store.answer('mark', late)
    const { worker } = workerOn(broker, store)
    const handler = vi.fn()
    worker.handle(task, handler)
    await worker.start()
    const delivery = deliver('suspect', suspect)
    await clock.until('the mark', () => store.asked('mark').length > 0)
    const stopping = worker.stop({ gracePeriodMs: 0 })
    late.release()
    await clock.advance(1_000)
    await stopping
    expect(handler).not.toHaveBeenCalled()
    expect(delivery.settlement).toBe('requeued')
    expect(store.asked('unmark')).toEqual([['suspect']])
  })
})

describe('stop()', () => {
  it('ends when the broker never answers the cancelling, and what runs is settled before', async () => {
    const { worker } = workerOn(broker)
    const { handler, started, end } = gated()
    worker.handle(task, handler)
    await worker.start()
    broker.answer('cancel', never)
    const delivery = deliver('running')
    await clock.until('it runs', () => started().length === 1)
    let stopped = false
    void worker.stop().then(() => {
      stopped = true
    })
    await clock.advance(1_000)
    end('running')
    await clock.until('it is stopped', () => stopped, 20_000)
    expect(delivery.settlement).toBe('acked')
    expect(worker.state).toBe('stopped')
  })

  it('while a consumer is being subscribed leaves no subscription behind: messages do not bounce', async () => {
    const { worker } = workerOn(broker, undefined, { concurrency: 4 })
    const { handler, started, end } = gated()
    worker.handle(task, handler)
    await worker.start()
    deliver('running')
    await clock.until('it runs', () => started().length === 1)
    const late = held()
    broker.answer('consume', late)
    for (let n = 0; n < 8; n++)
      deliver(`later-${n}`, { properties: { headers: { 'x-warren-due': Date.now() + 1_400 } } })
    await clock.until('one more subscription is asked for', () => broker.asked('consume').length === 2)
    const stopping = worker.stop()
    await clock.settle()
    late.release()
    await clock.settle()
    expect(consuming(QUEUE)).toEqual([])
    end('running')
    await clock.advance(1_000)
    await stopping
  })

  it('while the queue is taken up again leaves no subscription behind, either', async () => {
    const { worker, consuming: connection } = workerOn(broker)
    worker.handle(task, async () => undefined).handle(other, async () => pause(60_000))
    await worker.start()
    connection.lose()
    await clock.settle()
    const late = held()
    broker.answer('consume', late)
    connection.reopen()
    await clock.settle()
    const stopping = worker.stop()
    await clock.settle()
    late.release()
    await clock.settle()
    expect([...consuming(QUEUE), ...consuming(OTHER)]).toEqual([])
    await clock.advance(1_000)
    await stopping
  })
})

describe('A connection that is lost while a queue is being taken up', () => {
  it.each(['createChannel', 'assertExchange', 'assertQueue', 'bindQueue', 'prefetch', 'consume', 'close'] as const)(
    'at %s, which is never answered: the next connection is used at once',
    async (method) => {
      const { worker, consuming: connection } = workerOn(broker)
      worker.handle(task, async () => undefined)
      connection.lose()
      broker.answer(method, never)
      const starting = worker.start()
      await clock.settle()
      connection.reopen()
      await clock.settle()
      connection.lose()
      await clock.settle()
      broker.answer(method)
      connection.reopen()
      await clock.settle()
      expect(consuming(QUEUE)).toHaveLength(1)
      // What else `start` asks over the other connection has a limit of its own.
      await clock.advance(15_000)
      await starting
      expect(worker.health().queues).toMatchObject([{ state: 'consuming' }])
    },
  )
})
