/** Packs, on a broker and a store that do as they are told: what is put together, and how a pack ends with its members. */
import type { ConsumeMessage } from 'amqplib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask, MessageError, UnconfirmedError, UnroutableError } from '../../src/index.js'
import type { PackEvent } from '../../src/observe/events.js'
import type { Publication } from '../../src/send/outgoing.js'
import { type Packable, Packer } from '../../src/send/packer.js'
import { encode } from '../../src/wire/envelope.js'
import { headers } from '../../src/wire/names.js'
import { encodePack, membersOf, PACK_CONTENT_TYPE, packedMember } from '../../src/wire/pack.js'
import {
  decodeResult,
  encodeCancelled,
  encodeFailure,
  encodeRetry,
  encodeStarted,
  encodeSuccess,
} from '../../src/wire/resultFormat.js'
import { MessageLoad } from '../../src/work/messageLoad.js'
import { Pack } from '../../src/work/pack.js'
import { Packs } from '../../src/work/packs.js'
import {
  FakeBroker,
  FakeClock,
  FakeStore,
  type MessageParts,
  queueOf,
  refused,
  workerOn,
} from '../support/harness/index.js'

const input = z.object({ n: z.number(), text: z.string().optional() })
const task = defineTask({
  name: 'payment.pack.member',
  input,
  pack: {},
  retry: { maxAttempts: 2, initialDelayMs: 100 },
})
const QUEUE = queueOf(task)

const encoded = (id: string, n: number, more: object = {}) => encode({ task: task.name, id, input: { n }, ...more })

/** A pack as a sender writes it; its inputs count from `first` on. */
function packOf(ids: readonly string[], parts: MessageParts = {}, first = 0): MessageParts {
  const messages = ids.map((id, index) => encoded(id, first + index))
  const like = messages[0] as ReturnType<typeof encoded>
  const { content, properties } = encodePack('the-pack', like, messages.map(packedMember))
  return {
    ...{ content, exchange: 'payment.commands', routingKey: task.name },
    ...parts,
    properties: { ...properties, headers: { ...properties.headers, ...(parts.properties?.headers as object) } },
  }
}

describe('On the wire', () => {
  const delivered = ({ content, properties }: MessageParts) =>
    ({
      content,
      properties,
      fields: { exchange: 'payment.commands', routingKey: task.name },
    }) as unknown as ConsumeMessage

  it('each member comes out as the message that it would be by itself', () => {
    const alone = [encoded('a', 1, { tags: ['x'], sent: 5 }), encoded('ü', 2, { expires: new Date(0) })]
    const { content, properties } = encodePack('p', alone[0] as Packable['message'], alone.map(packedMember))
    expect(properties).toMatchObject({
      contentType: PACK_CONTENT_TYPE,
      messageId: 'p',
      persistent: true,
      mandatory: true,
    })
    expect(properties.headers).toEqual({ lang: 'js', task: task.name, [headers.pack]: 2 })
    const members = membersOf(delivered({ content, properties: { ...properties } }))
    expect(members.map((each) => each.content.toString())).toEqual(alone.map((each) => each.content.toString()))
    for (const [index, { properties: own }] of members.entries()) {
      const { headers: sent, messageId, contentType } = (alone[index] as Packable['message']).properties
      expect(own).toMatchObject({ messageId, contentType, correlationId: messageId })
      expect(own.headers).toEqual(sent)
    }
  })

  const whole = packOf(['a', 'b'])
  const content = whole.content as Buffer
  it.each([
    ['a count that is not its own', packOf(['a', 'b'], { properties: { headers: { [headers.pack]: 3 } } })],
    ['fewer than it has', packOf(['a', 'b'], { properties: { headers: { [headers.pack]: 1 } } })],
    ['no count', packOf(['a', 'b'], { properties: { headers: { [headers.pack]: 'two' } } })],
    ['an end that is missing', { ...whole, content: content.subarray(0, content.length - 1) }],
    ['headers that are no JSON', { ...whole, content: Buffer.concat([Buffer.from('{'), content]) }],
    ['headers that are no object', { ...whole, content: Buffer.from('[]\n[]\n[]\n[]\n') }],
    ['no content', { ...whole, content: Buffer.alloc(0) }],
  ])('%s makes it unreadable', (_what, parts) => {
    expect(() => membersOf(delivered(parts))).toThrow(MessageError)
  })
})

describe('defineTask', () => {
  it.each([
    [{ limit: { concurrency: 1 } }, /without `limit`/],
    [{ order: { key: () => 'a' } }, /without `order`/],
    [{ priority: true }, /without `priority`/],
    [{ pack: { maxTasks: 1 } }, /`maxTasks` to be an integer from 2 to 1000, got: 1/],
    [{ pack: { maxTask: 9 } }, /unknown option `maxTask`, did you mean `maxTasks`/],
    [{ pack: true }, /`pack` to be an object, got: true/],
  ])('%j', (options, message) => {
    expect(() => defineTask({ name: 'a.b', input, pack: {}, ...options } as never)).toThrow(message)
  })
  it('has defaults', () => {
    expect(task.pack).toEqual({ maxTasks: 64, maxBytes: 65_536 })
  })
})

describe('What is sent in one turn', () => {
  let published: Publication[]
  let answer: (publication: Publication) => Promise<void>
  const publish = (each: Publication): Promise<void> => {
    published.push(each)
    return answer(each)
  }
  const packer = () => new Packer({ publish }, 100_000)
  beforeEach(() => {
    published = []
    answer = async () => undefined
  })
  const publication = (id: string, more: Partial<Packable> = {}): Packable => ({
    ...{ id, exchange: 'payment.commands', routingKey: task.name, message: encoded(id, 1), confirmTimeoutMs: 1_000 },
    ...more,
  })
  const pack = { maxTasks: 3, maxBytes: 10_000 }
  const ids = () =>
    published.map(({ id, tasks, message }) => (tasks === undefined ? id : [tasks, message.content.length]))

  it('shares a message up to the limit, and what is left alone goes alone', async () => {
    const into = packer()
    await Promise.all(['a', 'b', 'c', 'd'].map((id) => into.publish(publication(id), pack)))
    expect(published.map(({ id, tasks }) => [tasks, id === 'd'])).toEqual([
      [3, false],
      [undefined, true],
    ])
  })
  it('never exceeds the bytes; what is larger goes alone', async () => {
    const into = packer()
    const small = packedMember(encoded('a', 1)).bytes
    const sizes = { maxTasks: 100, maxBytes: 2 * small }
    const large = publication('l', { message: encode({ task: task.name, id: 'l', input: 'x'.repeat(3 * small) }) })
    const all = [...['a', 'b', 'c', 'd', 'e'].map((id) => publication(id)), large]
    await Promise.all(all.map((each) => into.publish(each, sizes)))
    expect(ids()).toEqual([[2, 2 * small], [2, 2 * small], 'l', 'e'])
  })
  it('of another task, or with another deadline, goes elsewhere', async () => {
    const into = packer()
    const others = [publication('b', { routingKey: 'x.y' }), publication('c', { confirmTimeoutMs: 2_000 })]
    await Promise.all([publication('a'), ...others].map((each) => into.publish(each, pack)))
    expect(ids()).toEqual(['a', 'b', 'c'])
  })
  it('flush sends at once what is gathered', () => {
    const into = packer()
    void into.publish(publication('a'), pack)
    into.flush()
    expect(ids()).toEqual(['a'])
  })
  it('fails together, each with an error of its own', async () => {
    answer = async ({ id }) => Promise.reject(new UnconfirmedError(id, 1_000, true, 'no majority'))
    const into = packer()
    const ended = await Promise.allSettled(['a', 'b'].map((id) => into.publish(publication(id), pack)))
    expect(ended).toMatchObject(
      ['a', 'b'].map((id) => ({ reason: { code: 'UNCONFIRMED', id, written: true, problem: 'no majority' } })),
    )
    answer = async () => Promise.reject(new UnroutableError('e', 'k', 'no queue'))
    const refusedAll = await Promise.allSettled(['a', 'b'].map((id) => into.publish(publication(id), pack)))
    expect(refusedAll).toMatchObject([{ reason: { code: 'UNROUTABLE' } }, { reason: { code: 'UNROUTABLE' } }])
  })
  it('is sent one by one where the pack is refused: one member does not fail the others', async () => {
    answer = async ({ id }) => {
      if (id !== 'a') throw new MessageError('refused')
    }
    const into = packer()
    const ended = await Promise.allSettled(['a', 'b'].map((id) => into.publish(publication(id), pack)))
    expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(published).toHaveLength(3)
  })
})

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

describe('A prefetch in messages', () => {
  const load = new MessageLoad(64)
  it.each([
    [1, 204, 3],
    [3, 250, 3],
    [1, 40, 2],
    [1, 25, 1],
    [2, 25, 2],
    [3, 25, 2],
    [2, 10, 1],
    [8, 64, 2],
  ])('of %i, when %i tasks are wanted and each carries 64, becomes %i', (current, wanted, messages) => {
    expect(load.messagesInTurn(current, wanted)).toBe(messages)
  })
  it('the first message says more than what was expected', () => {
    const observing = new MessageLoad(64)
    observing.observe(4)
    expect(observing.mean).toBe(4)
    for (let message = 0; message < 60; message++) observing.observe(1)
    expect(observing.mean).toBe(1)
  })
})
