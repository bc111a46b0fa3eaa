/** The promise: what a broker refuses for one queue is told apart, has a limit, and takes nothing else with it. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { closeChannel, withChannel } from '../../src/amqp/channel.js'
import { Connection } from '../../src/amqp/connection.js'
import { declareQueue } from '../../src/amqp/declare.js'
import { exchangeExists, queueFacts } from '../../src/amqp/passive.js'
import { useBroker } from '../support/harness/amqplib.js'
import type { FakeBroker } from '../support/harness/broker.js'
import { closed, never } from '../support/harness/script.js'

vi.mock('amqplib', () => import('../support/harness/amqplib.js'))

const declaration = {
  exchange: { name: 'a.commands', type: 'topic' },
  queue: { name: 'q', type: 'classic' },
  binding: { exchange: 'a.commands', queue: 'q', routingKey: 'a.b' },
} as unknown as Parameters<typeof declareQueue>[1]

let broker: FakeBroker
beforeEach(() => {
  broker = useBroker()
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

it('a queue that cost the connection is declared on one of its own, until that works', async () => {
  const line = new Connection({
    addresses: [{ protocol: 'amqp', hostname: 'a', port: 1, username: 'u', password: 'p', vhost: '/' }],
    role: 'consume',
    name: 'test',
    heartbeatSeconds: 10,
    connectTimeoutMs: 10_000,
    reconnectInitialDelayMs: 50,
    reconnectMaxDelayMs: 5_000,
  })
  await line.open()
  const costly = (): never => {
    const model = broker.models.findLast(({ open }) => open)
    model?.emit('error', Object.assign(new Error('541 INTERNAL_ERROR'), { code: 541 }))
    model?.lose()
    throw new Error('Channel ended, no reply will be forthcoming')
  }
  broker.answer('assertQueue', costly)
  await expect(declareQueue(line.model as never, declaration)).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' })
  await vi.advanceTimersByTimeAsync(200)
  const { epoch } = line
  for (let round = 0; round < 3; round++) {
    await expect(declareQueue(line.model as never, declaration)).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' })
  }
  expect([line.epoch, line.state]).toEqual([epoch, 'open'])
  broker.answer('assertQueue', () => ({}))
  await declareQueue(line.model as never, declaration)
  const models = broker.models.length
  await declareQueue(line.model as never, declaration)
  expect(broker.models).toHaveLength(models)
  await line.close()
})

describe('A refused declaration', () => {
  const refusal = (code: number, text: string): Promise<unknown> => {
    broker.answer('assertQueue', closed(code, text))
    return declareQueue(broker.model().asModel(), declaration).catch((error: unknown) => error)
  }

  it('of an exchange is not called one of the queue', async () => {
    broker.answer(
      'assertExchange',
      closed(
        406,
        "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'a.commands' in vhost '/': received 'topic' but current is 'direct'",
      ),
    )
    await expect(declareQueue(broker.model().asModel(), declaration)).rejects.toMatchObject({
      code: 'QUEUE_MISMATCH',
      exchange: 'a.commands',
      message: expect.stringMatching(/^Exchange a\.commands.*type = direct.*type = topic/),
    })
  })

  it.each([
    [
      404,
      "NOT_FOUND - home node 'rabbit@x' of durable queue 'q' in vhost '/' is down or inaccessible",
      'QUEUE_UNAVAILABLE',
      /only on node rabbit@x,.*If the node is running/,
    ],
    [
      403,
      "ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'u'",
      'ACCESS_REFUSED',
      /permission \(configure/,
    ],
    [
      406,
      "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received the value 'classic' of type 'longstr' but current is the value 'quorum' of type 'longstr'",
      'QUEUE_MISMATCH',
      /exists as a quorum queue/,
    ],
  ])('%d: %s', async (code, text, expected, message) => {
    await expect(refusal(code, text)).resolves.toMatchObject({
      code: expected,
      message: expect.stringMatching(message),
    })
  })

  it('that is never answered ends all the same, and leaves no channel', async () => {
    broker.answer('assertQueue', never)
    const declaring = expect(declareQueue(broker.model().asModel(), declaration)).rejects.toThrow(/took longer/)
    await vi.advanceTimersByTimeAsync(30_000)
    await declaring
    expect(broker.channels).toEqual([])
  })
})

describe('A channel', () => {
  it('that is closed when its connection dies does not keep anybody waiting', async () => {
    const model = broker.model()
    model.on('error', () => undefined)
    const channel = await model.createChannel()
    broker.answer('close' as never, never)
    const closing = closeChannel(channel as never)
    model.lose()
    await closing
  })

  it('of its own is closed whatever came of it', async () => {
    await expect(
      withChannel(broker.model().asModel(), 'asking', () => Promise.reject(new Error('no'))),
    ).rejects.toThrow('no')
    await vi.advanceTimersByTimeAsync(0)
    expect(broker.channels).toEqual([])
  })
})

it('what does not exist is an answer, and what cannot be said is an error', async () => {
  broker.answer('checkExchange', closed(404, "NOT_FOUND - no exchange 'x' in vhost '/'"))
  expect(await exchangeExists(broker.model().asModel(), 'x')).toBe(false)
  broker.answer('checkQueue', closed(404, "NOT_FOUND - no queue 'q' in vhost '/'"))
  expect(await queueFacts(broker.model().asModel(), 'q')).toBeUndefined()
  broker.answer('checkQueue', closed(404, "NOT_FOUND - home node 'n' of durable queue 'q' in vhost '/' is down"))
  await expect(queueFacts(broker.model().asModel(), 'q')).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' })
})
