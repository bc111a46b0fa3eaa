/** The harness does what RabbitMQ and amqplib do: every test on it stands on that. */
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { connect, defineTask } from '../../src/index.js'
import { Producer } from '../../src/send/producer.js'
import { useBroker } from '../support/harness/amqplib.js'
import {
  closed,
  FakeBroker,
  FakeClock,
  FakeStore,
  held,
  never,
  queueOf,
  taskMessage,
  workerOn,
} from '../support/harness/index.js'

vi.mock('amqplib', () => import('../support/harness/amqplib.js'))

const task = defineTask({ name: 'payment.card.charge', input: z.object({ cents: z.number() }), output: z.number() })

async function channelOf(broker: FakeBroker) {
  const model = broker.model()
  model.on('error', () => undefined)
  const channel = await model.createChannel()
  channel.on('error', () => undefined)
  return channel
}

describe('A channel', () => {
  it('asks one thing after the other, and rejects what has no answer when it dies', async () => {
    const broker = new FakeBroker()
    const channel = await channelOf(broker)
    broker.answer('assertQueue', never)
    const [first, second] = [channel.assertQueue('q'), channel.checkQueue('q')]
    first.catch(() => undefined)
    second.catch(() => undefined)
    await Promise.resolve()
    expect(broker.script.calls.map(({ method }) => method)).toEqual(['createChannel', 'assertQueue'])
    broker.models[0]?.lose()
    await expect(first).rejects.toThrow('Channel ended')
    await expect(second).rejects.toThrow('Channel ended')
  })

  it('that the broker closes rejects the call with the code, emits error and close, and takes nothing more', async () => {
    const broker = new FakeBroker()
    const channel = await channelOf(broker)
    const events: unknown[] = []
    channel.on('error', ({ code }) => events.push(code))
    channel.on('close', () => events.push('close'))
    broker.answer('checkExchange', closed(404, "NOT_FOUND - no exchange 'x' in vhost '/'"))
    await expect(channel.checkExchange('x')).rejects.toMatchObject({ code: 404 })
    expect(events).toEqual([404, 'close'])
    expect(() => channel.publish('x', 'k', Buffer.alloc(0))).toThrow('Channel closed')
    await expect(channel.checkQueue('q')).rejects.toThrow('Channel closed')
  })

  it('whose close hangs stays closing when its connection is lost', async () => {
    const broker = new FakeBroker()
    const channel = await channelOf(broker)
    broker.answer('close', never)
    const settled = vi.fn()
    channel.close().then(settled, settled)
    broker.models[0]?.lose()
    await new Promise((resolve) => setImmediate(resolve))
    expect(settled).not.toHaveBeenCalled()
    expect(channel.open).toBe(false)
  })

  it('gives back what it held when it dies', async () => {
    const broker = new FakeBroker()
    const channel = await channelOf(broker)
    await channel.consume('q', () => undefined)
    const [first, second] = [broker.deliver('q'), broker.deliver('q')]
    channel.ack(first.message)
    expect([first.settlement, second.settlement]).toEqual(['acked', undefined])
    channel.closeByBroker(406, 'PRECONDITION_FAILED - delivery acknowledgement timed out')
    expect([first.settlement, second.settlement]).toEqual(['acked', 'requeued'])
  })
})

it('Published messages are confirmed, refused, returned or left alone as the script says', async () => {
  using clock = new FakeClock()
  const broker = new FakeBroker()
  broker.answer(
    'publish',
    () => 'confirm',
    () => 'nack',
    () => 'return',
    () => 'nothing',
  )
  const connection = broker.connection()
  const producer = new Producer(connection.asConnection(), { maxUnconfirmed: 10, maxUnconfirmedBytes: 1_000 })
  connection.announce()
  const send = (id: string) => {
    const message = { content: Buffer.from('[]'), properties: { messageId: id, headers: {} } }
    const publication = { id, exchange: 'payment.commands', routingKey: task.name, message, confirmTimeoutMs: 5_000 }
    return producer.publish(publication as unknown as Parameters<Producer['publish']>[0]).then(
      () => 'confirmed',
      ({ code }: { code: string }) => code,
    )
  }
  const sends = ['a', 'b', 'c', 'd'].map(send)
  await clock.advance(6_000)
  expect(await Promise.all(sends)).toEqual(['confirmed', 'UNCONFIRMED', 'UNROUTABLE', 'UNCONFIRMED'])
  producer.close()
})

it('A worker on the fakes runs a task, stores its result and acknowledges it', async () => {
  using clock = new FakeClock()
  const [broker, store] = [new FakeBroker(), new FakeStore()]
  const late = held(() => true)
  store.answer('store', late)
  const { worker } = workerOn(broker, store)
  worker.handle(task, async ({ cents }) => cents)
  await worker.start()
  const delivery = broker.deliver(queueOf(task), taskMessage(task, { cents: 5 }, 'card-1'))
  await clock.until('the result is stored', () => store.asked('store').length === 1)
  expect(delivery.settlement).toBeUndefined()
  late.release()
  await clock.settle()
  expect(delivery.settlement).toBe('acked')
  const stopped = worker.stop()
  await clock.advance(1_000)
  await stopped
  expect(broker.channels).toEqual([])
})

it('The whole library runs on the fake broker', async () => {
  const broker = useBroker()
  const warren = await connect({ broker: 'amqp://admin:admin@broker.test', logger: false })
  const { id } = await warren.send(task, { cents: 5 })
  expect(broker.publications.map(({ properties }) => properties.messageId)).toEqual([id])
  await warren.close()
  expect(broker.channels).toEqual([])
})
