/** A worker opens packs: each ends with its members. */
import type { ConsumeMessage } from 'amqplib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MessageError } from '../../src/index.js'
import type { PackEvent } from '../../src/observe/events.js'
import { headers } from '../../src/wire/names.js'
import { membersOf } from '../../src/wire/pack.js'
import {
  decodeResult,
  encodeCancelled,
  encodeFailure,
  encodeRetry,
  encodeStarted,
  encodeSuccess,
} from '../../src/wire/resultFormat.js'
import { Pack } from '../../src/work/pack.js'
import { Packs } from '../../src/work/packs.js'
import { FakeBroker, FakeClock, FakeStore, refused, workerOn } from '../support/harness/index.js'
import { packOf, QUEUE, task } from '../support/packTask.js'

describe('A worker', () => {
  let clock: FakeClock
  let broker: FakeBroker
  let store: FakeStore
  let events: PackEvent[]
  beforeEach(() => {
    clock = new FakeClock()
    broker = new FakeBroker()
    store = new FakeStore()
    events = []
  })
  afterEach(() => clock.stop())

  /** Inputs by their place in the pack: 1 fails, 2 waits until it is let go, the others succeed. */
  async function working({ concurrency = 10, withStore = true } = {}) {
    const { worker, consuming } = workerOn(broker, withStore ? store : undefined, { concurrency })
    const ran: string[] = []
    let letGo = (): void => undefined
    const until = new Promise<void>((resolve) => {
      letGo = resolve
    })
    worker.handle(task, async ({ n }, { id }) => {
      ran.push(id)
      if (n === 1) throw new Error('told to fail')
      if (n === 2) await until
      return n
    })
    worker.on('pack', (event) => events.push(event))
    await worker.start()
    return { worker, consuming, ran, letGo: () => letGo() }
  }
  const singles = () =>
    broker.publications
      .filter(({ exchange, routingKey }) => exchange === '' && routingKey === QUEUE)
      .map(({ properties }) => properties.messageId)

  it('runs members as messages of their own, and acknowledges when all have ended', async () => {
    const { ran, letGo, worker } = await working()
    const delivery = broker.deliver(QUEUE, packOf(['a', 'b', 'c', 'd']))
    await clock.advance(200)
    expect(ran).toEqual(['a', 'b', 'c', 'd'])
    expect(delivery.settlement).toBeUndefined()
    expect([...store.stored.keys()].sort()).toEqual(['a', 'b', 'd'])
    expect(decodeResult(store.stored.get('b') as string)).toMatchObject({ status: 'RETRY', queue: QUEUE })
    expect(worker.health()).toMatchObject({ running: 1, held: 1 })
    // The one that failed goes on as a message of its own, with its count.
    expect(broker.publications).toMatchObject([
      { properties: { messageId: 'b', contentType: 'application/json', headers: { retries: 1, id: 'b' } } },
    ])
    expect(broker.publications[0]?.properties.headers).not.toHaveProperty(headers.pack)
    letGo()
    await clock.advance(100)
    expect(delivery.settlement).toBe('acked')
    expect(worker.health()).toMatchObject({ running: 0, held: 0 })
    expect(events).toMatchObject([{ id: 'the-pack', task: task.name, queue: QUEUE, action: 'opened', tasks: 4 }])
  })

  it('a member that cannot be read is dead-lettered alone', async () => {
    const { ran } = await working()
    const parts = packOf(['a', 'b'])
    const content = Buffer.from((parts.content as Buffer).toString().replace('{"n":1}', '{"n":1!'))
    const delivery = broker.deliver(QUEUE, { ...parts, content })
    await clock.advance(200)
    expect(ran).toEqual(['a'])
    expect(broker.publications).toMatchObject([
      { exchange: 'payment.dlx', properties: { messageId: 'b', headers: { [headers.reason]: 'undecodable' } } },
    ])
    expect(delivery.settlement).toBe('acked')
  })

  it('a pack that cannot be read is one dead letter', async () => {
    const { ran } = await working()
    const delivery = broker.deliver(QUEUE, packOf(['a', 'b'], { properties: { headers: { [headers.pack]: 7 } } }))
    await clock.advance(200)
    expect(ran).toEqual([])
    expect(broker.publications).toMatchObject([{ exchange: 'payment.dlx', properties: { messageId: 'the-pack' } }])
    expect(broker.publications[0]?.properties.headers?.[headers.errorMessage]).toMatch(/a pack of 7 tasks/)
    expect(delivery.settlement).toBe('acked')
  })

  it('a member whose id is no text does not hold its pack for ever', async () => {
    await working({ withStore: false })
    const parts = packOf(['a', 'b'], { redelivered: true })
    const content = Buffer.from((parts.content as Buffer).toString().replace('"id":"b"', '"id":[7]'))
    const delivery = broker.deliver(QUEUE, { ...parts, content })
    await clock.advance(100)
    expect(singles()).toEqual(['a', '?'])
    expect(delivery.settlement).toBe('acked')
  })

  it('one with a member that cannot be published at all goes back, for RabbitMQ to count', async () => {
    const returned: unknown[] = []
    const settlement = {
      ...{ nearlyFull: false, ack: () => returned.push('acked') },
      giveBack: (_: unknown, counted?: true) => returned.push(counted),
    }
    const { content, properties } = packOf(['a', 'b'])
    const fields = { exchange: '', routingKey: QUEUE, redelivered: true }
    const message = { content, properties, fields } as unknown as ConsumeMessage
    const queue = { name: QUEUE, task: task.name, type: 'quorum' } as const
    const packs = new Packs({
      ...{ results: undefined, confirmTimeoutMs: 1_000, onPack: () => undefined, onDelayed: () => undefined },
      producer: { publish: () => Promise.reject(new MessageError('cannot be encoded')) },
    })
    packs.take(new Pack(message, membersOf(message), queue, { settlement, ended: () => undefined }))
    await clock.advance(100)
    expect(returned).toEqual([true])
    expect(packs.size).toBe(0)
  })

  it.each(['redelivered', 'redriven'])('one that is %s is taken apart: who has ended is dropped', async (how) => {
    const { ran } = await working()
    const speaker = { attempt: 1, run: 0, queue: QUEUE, task: task.name }
    const error = { errorClass: 'E', message: 'm', traceback: undefined }
    const doneAt = new Date()
    const states: Record<string, string> = {
      done: encodeSuccess({ ...speaker, id: 'done', output: 1, doneAt }),
      failed: encodeFailure({ ...speaker, id: 'failed', error, doneAt }),
      again: encodeRetry({ ...speaker, id: 'again', error }),
      second: encodeStarted({ ...speaker, id: 'second', attempt: 2, pid: 1, hostname: 'h' }),
      began: encodeStarted({ ...speaker, id: 'began', pid: 1, hostname: 'h' }),
      cancelled: encodeCancelled({ id: 'cancelled', attempt: 1, run: 5, doneAt }),
      elsewhere: encodeSuccess({ ...speaker, id: 'elsewhere', queue: 'other', output: 1, doneAt }),
    }
    store.answer('get', (id: string) => {
      const state = states[id]
      return state === undefined ? undefined : decodeResult(state)
    })
    const which = how === 'redelivered' ? { redelivered: true } : { properties: { headers: { [headers.redriven]: 1 } } }
    const delivery = broker.deliver(QUEUE, packOf([...Object.keys(states), 'unknown'], which))
    await clock.advance(100)
    expect(ran).toEqual([])
    expect(singles()).toEqual(['began', 'elsewhere', 'unknown'])
    expect(broker.publications[0]?.properties.headers).toMatchObject({
      ...{ id: 'began', task: task.name, [headers.republished]: true },
      ...{ [headers.exchange]: 'payment.commands', [headers.routingKey]: task.name },
    })
    expect(delivery.settlement).toBe('acked')
    expect(events).toMatchObject([{ action: 'takenApart', tasks: 3 }])
  })

  it('without a store all members of a pack that is taken apart are sent on', async () => {
    await working({ withStore: false })
    const delivery = broker.deliver(QUEUE, packOf(['a', 'b'], { redelivered: true }))
    await clock.advance(100)
    expect(singles()).toEqual(['a', 'b'])
    expect(delivery.settlement).toBe('acked')
  })

  it('taking apart waits for a store that does not answer, and for the broker, and publishes nothing twice', async () => {
    const { worker } = await working()
    const delayed: string[] = []
    worker.on('settleDelayed', ({ waitingFor }) => delayed.push(waitingFor))
    store.answer('get', refused(new Error('away')), () => undefined)
    broker.answer(
      'publish',
      () => 'confirm',
      () => 'nothing',
      () => 'confirm',
    )
    const delivery = broker.deliver(QUEUE, packOf(['a', 'b'], { redelivered: true }))
    await clock.advance(3_000)
    expect(worker.health().held).toBe(2)
    expect(delivery.settlement).toBeUndefined()
    await clock.advance(60_000)
    expect(singles().filter((id) => id === 'a')).toHaveLength(1)
    expect(delivery.settlement).toBe('acked')
    expect(delayed.length).toBeGreaterThan(0)
  })

  it('what cannot start soon is sent on as messages of its own, before the rest has ended', async () => {
    const { ran, letGo } = await working({ concurrency: 1 })
    const delivery = broker.deliver(QUEUE, packOf(['a', 'b', 'c', 'd', 'e']))
    await clock.advance(1_500)
    expect(ran).toEqual(['a', 'b', 'c'])
    expect(singles()).toEqual(['b', 'd', 'e'])
    expect(events.at(-1)).toMatchObject({ action: 'givenBack', tasks: 2 })
    expect(delivery.settlement).toBeUndefined()
    letGo()
    await clock.advance(100)
    expect(delivery.settlement).toBe('acked')
  })

  it('one whose rest cannot be published goes back whole', async () => {
    const { letGo } = await working({ concurrency: 1, withStore: false })
    broker.answer(
      'publish',
      () => 'confirm',
      () => 'return',
    )
    const delivery = broker.deliver(QUEUE, packOf(['a', 'b', 'c', 'd']))
    await clock.advance(1_500)
    letGo()
    await clock.advance(100)
    expect(delivery.settlement).toBe('requeued')
  })

  it('stopping gives back what nobody has begun with whole, and of the rest only what has not started', async () => {
    const { worker, letGo } = await working({ concurrency: 1 })
    const first = broker.deliver(QUEUE, packOf(['a', 'b', 'c', 'd']))
    const second = broker.deliver(QUEUE, packOf(['e', 'f']))
    await clock.advance(100)
    const stopping = worker.stop()
    await clock.advance(100)
    expect(second.settlement).toBe('requeued')
    expect(singles()).toEqual(['b', 'd'])
    expect(first.settlement).toBeUndefined()
    letGo()
    await clock.advance(1_000)
    await stopping
    expect(first.settlement).toBe('acked')
  })

  it('members go to a batch handler together, and end each by itself', async () => {
    const { worker } = workerOn(broker, store, { concurrency: 10 })
    const calls: number[][] = []
    worker.handleBatch(
      task,
      (items) => {
        calls.push(items.map(({ input: { n } }) => n))
        return items.map(({ input: { n } }) => (n === 1 ? new Error('told to fail') : n))
      },
      { size: 4 },
    )
    await worker.start()
    const delivery = broker.deliver(QUEUE, packOf(['a', 'b', 'c', 'd', 'e']))
    await clock.advance(500)
    expect(calls).toEqual([[0, 1, 2, 3], [4]])
    expect(singles()).toEqual(['b'])
    expect([...store.stored.keys()].sort()).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(delivery.settlement).toBe('acked')
  })

  it('a lost channel ends all members that have not ended', async () => {
    const { ran, worker, consuming, letGo } = await working()
    broker.deliver(QUEUE, packOf(['a', 'b', 'c']))
    await clock.advance(50)
    consuming.lose()
    await clock.advance(50)
    expect(worker.health()).toMatchObject({ running: 0, held: 0 })
    expect(ran).toEqual(['a', 'b', 'c'])
    letGo()
  })

  it('counts tasks in its prefetch: one pack at first, and as many as make up what it would hold of singles', async () => {
    const { worker } = await working({ concurrency: 4 })
    expect(broker.asked('prefetch').map(([count]) => count)).toEqual([1])
    for (let pack = 0; pack < 6; pack++) {
      const ids = Array.from({ length: 64 }, (_, index) => `${pack}-${index}`)
      broker.deliver(QUEUE, packOf(ids, {}, 10))
      await clock.advance(100)
    }
    // The other is the consumer of schedules' tokens.
    const subscribed = broker.asked('prefetch').map(([count]) => count)
    expect(subscribed.filter((count) => count !== 100)).toEqual([1, 2])
    expect(worker.health().state).toBe('running')
  })

  it('a pack of which only long ones are left keeps no others from coming, while there are places', async () => {
    const { ran, letGo } = await working({ concurrency: 4 })
    broker.deliver(QUEUE, packOf(['a', 'b', 'c']))
    await clock.advance(1_500)
    expect(ran).toEqual(['a', 'b', 'c'])
    const subscribed = broker.asked('prefetch').map(([count]) => Number(count))
    expect(subscribed.filter((count) => count !== 100).reduce((sum, count) => sum + count)).toBeGreaterThan(1)
    letGo()
  })
})
