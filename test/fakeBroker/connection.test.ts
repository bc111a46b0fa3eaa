/** The promise: a connection is kept up without a storm, and none of its states is without an end. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Connection } from '../../src/amqp/connection.js'
import { useBroker } from '../support/harness/amqplib.js'
import type { FakeBroker } from '../support/harness/broker.js'
import { held, never, refused } from '../support/harness/script.js'

vi.mock('amqplib', () => import('../support/harness/amqplib.js'))

const LONGEST_MS = 5_000
const opens = (): void => undefined

let broker: FakeBroker
beforeEach(() => {
  broker = useBroker()
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function connection(hosts = ['a']): Connection {
  return new Connection({
    addresses: hosts.map((hostname) => ({
      protocol: 'amqp',
      hostname,
      port: 1,
      username: 'u',
      password: 'p',
      vhost: '/',
    })),
    role: 'consume',
    name: 'test',
    heartbeatSeconds: 10,
    connectTimeoutMs: 10_000,
    reconnectInitialDelayMs: 50,
    reconnectMaxDelayMs: LONGEST_MS,
  })
}

const last = () => broker.models.at(-1)

describe('Connections that open and are lost at once', () => {
  it('are made ever more rarely, and the next one that lives is kept', async () => {
    const line = connection()
    await line.open()
    line.on('open', () => setTimeout(() => last()?.lose(), 60))
    last()?.lose()
    await vi.advanceTimersByTimeAsync(6_000)
    expect(broker.models.length).toBeGreaterThan(5)
    expect(broker.models.length).toBeLessThan(20)
    line.removeAllListeners('open')
    await vi.advanceTimersByTimeAsync(2_000)
    expect(line.state).toBe('open')
    await line.close()
  })

  it('after one that lived, the next try is immediate again', async () => {
    const line = connection()
    await line.open()
    for (let round = 0; round < 3; round++) {
      last()?.lose()
      await vi.advanceTimersByTimeAsync(1_000)
    }
    await vi.advanceTimersByTimeAsync(LONGEST_MS)
    const before = broker.models.length
    last()?.lose()
    await vi.advanceTimersByTimeAsync(0)
    expect(broker.models.length).toBe(before + 1)
    await line.close()
  })
})

describe('Every state ends', () => {
  it('open, when amqplib says that it is broken, and never that it is closed', async () => {
    const line = connection()
    await line.open()
    const lost = vi.fn()
    line.on('lost', lost)
    last()?.emit('error', new Error('Frame on unknown channel 7'))
    await vi.advanceTimersByTimeAsync(3_000)
    expect(lost).toHaveBeenCalledExactlyOnceWith({ epoch: 1, reason: 'Frame on unknown channel 7' })
    expect(line.epoch).toBe(2)
    expect(line.state).toBe('open')
    await line.close()
  })

  it('connecting, when nobody answers: the next address is tried', async () => {
    broker.answer('connect', never, opens)
    const line = connection(['a', 'b'])
    const opening = line.open()
    await vi.advanceTimersByTimeAsync(6_000)
    await opening
    expect(broker.asked('connect')).toHaveLength(2)
    expect(line.state).toBe('open')
    await line.close()
  })

  it('connecting, when it is closed meanwhile; what opens too late is closed', async () => {
    const answer = held()
    broker.answer('connect', answer)
    const line = connection()
    const opening = line.open()
    opening.catch(() => undefined)
    await line.close()
    await expect(opening).rejects.toMatchObject({ code: 'CLOSED' })
    answer.release()
    await vi.advanceTimersByTimeAsync(5_000)
    expect(line.state).toBe('closed')
    expect(line.model).toBeUndefined()
  })

  it('waiting, when it is closed meanwhile', async () => {
    const line = connection()
    await line.open()
    last()?.lose()
    expect(line.state).toBe('waiting')
    await line.close()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(line.state).toBe('closed')
    expect(broker.models).toHaveLength(1)
  })

  it('closing, when the broker does not answer', async () => {
    const line = connection()
    await line.open()
    broker.answer('closeConnection', never)
    const both = Promise.all([line.close(), line.close()])
    await vi.advanceTimersByTimeAsync(3_000)
    await both
    expect(line.state).toBe('closed')
  })

  it('open() that failed may be tried again', async () => {
    broker.answer('connect', refused(new Error('ECONNREFUSED')))
    const line = connection()
    const opening = expect(line.open()).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' })
    await vi.advanceTimersByTimeAsync(20_000)
    await opening
    expect(line.state).toBe('idle')
    expect(broker.asked('connect').length).toBeLessThan(20)
    broker = useBroker()
    await line.open()
    expect(line.state).toBe('open')
    await line.close()
  })
})
