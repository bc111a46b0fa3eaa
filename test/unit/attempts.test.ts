/** What comes of one delivery: each ends in one named way, and is settled exactly once. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { InputError, type Logger, Reject, type WorkerEvents } from '../../src/index.js'
import { defineTask } from '../../src/task/task.js'
import { pause } from '../../src/timers.js'
import {
  FakeBroker,
  FakeClock,
  type FakeDelivery,
  FakeStore,
  held,
  type MessageParts,
  queueOf,
  refused,
  taskMessage,
  workerOn,
} from '../support/harness/index.js'

const task = defineTask({
  name: 'payment.card.charge',
  input: z.object({ cents: z.number() }),
  retry: { maxAttempts: 2, initialDelayMs: 100 },
  timeoutMs: 5_000,
})
const QUEUE = queueOf(task)
type Handle = Parameters<ReturnType<typeof workerOn>['worker']['handle']>[1]

const clocks: FakeClock[] = []
afterEach(() => {
  for (const clock of clocks.splice(0)) clock.stop()
})

/** A started worker with this handler, and what came of its messages. */
async function started(
  handler: (...given: never[]) => unknown,
  options: { concurrency?: number; store?: FakeStore } = {},
) {
  const clock = new FakeClock()
  clocks.push(clock)
  const broker = new FakeBroker()
  const made = workerOn(broker, options.store, { concurrency: options.concurrency ?? 1 })
  const dead: WorkerEvents['deadLettered'][0][] = []
  const finished: string[] = []
  made.worker.on('deadLettered', (event) => dead.push(event))
  made.worker.on('attemptFinished', ({ outcome }) => finished.push(outcome))
  made.worker.handle(task, handler as Handle)
  await made.worker.start()
  const deliver = (id: string, parts: MessageParts = {}): FakeDelivery =>
    broker.deliver(QUEUE, taskMessage(task, { cents: 1 }, id, parts))
  /** How often RabbitMQ was told about each delivery tag. */
  const settlements = (): number => ['ack', 'nack', 'reject'].flatMap((how) => broker.asked(how as 'ack')).length
  return { ...made, clock, broker, dead, finished, deliver, settlements }
}

describe('A message of which there may be another copy', () => {
  const redelivered: MessageParts = { redelivered: true, properties: { headers: { 'x-delivery-count': 1 } } }

  it('whose channel is lost during the look-up in the store: its handler does not start', async () => {
    const store = new FakeStore()
    const late = held(() => undefined)
    store.answer('get', late)
    const handler = vi.fn()
    const { broker, clock, deliver, finished } = await started(handler, { store })
    const delivery = deliver('looked-up', redelivered)
    await clock.until('the look-up', () => store.asked('get').length > 0)
    broker.channels.find((channel) => channel.consumers(QUEUE).length > 0)?.closeByBroker(406, 'PRECONDITION_FAILED')
    late.release()
    await clock.until('the end of the attempt', () => finished.length === 1)
    expect(handler).not.toHaveBeenCalled()
    expect(finished).toEqual(['returned'])
    expect(delivery.settlement).toBe('requeued')
  })

  it('that is looked up while the worker is stopped at once: it is requeued, and its handler does not start', async () => {
    const store = new FakeStore()
    const late = held(() => undefined)
    store.answer('get', late)
    const handler = vi.fn()
    const { worker, clock, deliver } = await started(handler, { store })
    const delivery = deliver('looked-up', redelivered)
    await clock.until('the look-up', () => store.asked('get').length > 0)
    const stopping = worker.stop({ gracePeriodMs: 0 })
    await clock.advance(1_000)
    await stopping
    late.release()
    await clock.settle()
    expect(handler).not.toHaveBeenCalled()
    expect(delivery.settlement).toBe('requeued')
  })

  it('a suspect whose channel is lost while it is marked is not run, its mark is taken away, and others go on', async () => {
    const store = new FakeStore()
    const late = held(() => undefined)
    store.answer('mark', late, () => undefined)
    const seen: string[] = []
    const { broker, clock, deliver } = await started(async (_input: never, { id }: { id: string }) => seen.push(id), {
      store,
    })
    deliver('suspect', { redelivered: true, properties: { headers: { 'x-delivery-count': 2 } } })
    await clock.until('the mark', () => store.asked('mark').length === 1)
    for (const channel of broker.channels) if (!channel.confirms) channel.closeByBroker(406, 'PRECONDITION_FAILED')
    late.release()
    await clock.until('consuming again', () => broker.channels.some((channel) => channel.consumers(QUEUE).length > 0))
    deliver('other')
    await clock.until('the other one ran', () => seen.length > 0)
    expect(seen).toEqual(['other'])
    expect(store.asked('unmark')).toEqual([['suspect']])
  })

  it('is run when the store fails to answer', async () => {
    const store = new FakeStore()
    store.answer('get', refused(new Error('no answer within 1000 ms')))
    const handler = vi.fn()
    const { clock, deliver } = await started(handler, { store })
    const delivery = deliver('unknown', redelivered)
    await clock.until('it is settled', () => delivery.settlement !== undefined)
    expect(handler).toHaveBeenCalledTimes(1)
    expect(delivery.settlement).toBe('acked')
  })
})

describe('A message that is not one of this queue', () => {
  it.each([
    ['another task of the worker', 'payment.card.refund', 'unknown-task'],
    ['a task in other letters', 'Payment.Card.Charge', 'unknown-task'],
    ['a property of objects', '__proto__', 'unknown-task'],
    ['a table', { toString: 1 }, 'undecodable'],
    ['an empty text', '', 'undecodable'],
  ])('names %s: it is dead-lettered, and no handler runs', async (_what, named, reason) => {
    const handler = vi.fn()
    const { clock, broker, dead, deliver, settlements } = await started(handler)
    const delivery = deliver('mismatch', { properties: { headers: { task: named } } })
    await clock.until('it is settled', () => delivery.settlement !== undefined)
    expect(handler).not.toHaveBeenCalled()
    expect(dead.map((each) => each.reason)).toEqual([reason])
    expect(broker.publications.map(({ exchange }) => exchange)).toEqual(['payment.dlx'])
    expect([delivery.settlement, settlements()]).toEqual(['acked', 1])
  })
})

it.each([
  ['a table', { toString: 1 }],
  ['a table with a text of its own', { toString: () => 'x', valueOf: 'y' }],
  ['a list', ['a', 'b']],
  ['a number', 7],
  ['bytes', Buffer.from([0xff, 0xfe])],
  ['true', true],
  ['longer than AMQP takes', 'x'.repeat(300)],
])(
  'A header id that is %s: it is dead-lettered as undecodable, and its neighbours are untouched',
  async (_what, id) => {
    const seen: string[] = []
    const { clock, broker, dead, deliver } = await started(async (_input: never, attempt: { id: string }) =>
      seen.push(attempt.id),
    )
    const channels = broker.channels.length
    const all = [deliver('before'), deliver('strange', { properties: { headers: { id } } }), deliver('after')]
    await clock.until('all are settled', () => all.every(({ settlement }) => settlement === 'acked'))
    expect(seen).toEqual(['before', 'after'])
    expect(dead.map(({ reason }) => reason)).toEqual(['undecodable'])
    expect(broker.channels.length).toBeGreaterThanOrEqual(channels)
  },
)

describe('A handler that returns something that looks like a promise', () => {
  /** `then` is whatever it is given. */
  const like = (then: unknown): object => Object.fromEntries([['then', then]])
  const never = like(() => undefined)
  const unreadable = Object.defineProperty({}, 'then', {
    get() {
      throw new Error('odd')
    },
  })

  it.each([
    ['a query builder that never answers', never],
    ['one that inherits its then', Object.create(never)],
    ['a function with then', Object.assign(() => undefined, never)],
    ['one that resolves with another that never does', like((resolve: (value: unknown) => void) => resolve(never))],
    ['a promise of one that never does', Promise.resolve(never)],
  ])('%s ends at its time limit', async (_what, returned) => {
    const { clock, finished, deliver } = await started(() => returned)
    const delivery = deliver('stuck', { properties: { headers: { retries: 1 } } })
    await clock.settle()
    expect(finished).toEqual([])
    await clock.until('it is settled', () => delivery.settlement !== undefined, 6_000)
    expect(finished).toEqual(['deadLettered'])
  })

  const throws = (): never => {
    throw new Error('odd')
  }
  /** Resolves with `next` of these, which resolves with the one after it, and so on in a circle. */
  const circle = (count: number): unknown => {
    const all: object[] = Array.from({ length: count }, (_, n) =>
      like((resolve: (value: unknown) => void) => resolve(all[(n + 1) % count])),
    )
    return all[0]
  }
  const twice = (resolve: (value: unknown) => void): void => {
    resolve(1)
    resolve(2)
  }
  const rejects = (_resolve: unknown, reject: (error: unknown) => void): void => reject(new Error('no'))
  it.each([
    ['one whose then throws', like(throws), 'deadLettered'],
    ['one that rejects', like(rejects), 'deadLettered'],
    ['one that resolves with itself', circle(1), 'deadLettered'],
    ['one that resolves with another, and that with the first', circle(2), 'deadLettered'],
    [
      'one that resolves with one that throws',
      like((resolve: (value: unknown) => void) => resolve(like(throws))),
      'deadLettered',
    ],
    ['one that settles twice', like(twice), 'succeeded'],
    ['an object whose then cannot be read, as it would by await', unreadable, 'deadLettered'],
    ['an object whose then is no function', like('later'), 'succeeded'],
  ])('%s ends like any other', async (_what, returned, outcome) => {
    const { clock, finished, deliver, settlements } = await started(() => returned)
    const delivery = deliver('odd', { properties: { headers: { retries: 1 } } })
    await clock.until('it is settled', () => delivery.settlement !== undefined)
    expect([finished, delivery.settlement, settlements()]).toEqual([[outcome], 'acked', 1])
  })
})

describe('A handler that throws', () => {
  const revoked = (): unknown => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  }
  it.each([
    [
      'the InputError of a send of its own',
      () => new InputError('payment.other.task', [{ path: 'x', message: 'wrong' }]),
    ],
    ['a revoked proxy', revoked],
    ['undefined', () => undefined],
    [
      'an error whose message throws',
      () =>
        Object.defineProperty(new Error('x'), 'message', {
          get() {
            throw new Error('odd')
          },
        }),
    ],
    [
      'a proxy that throws at everything',
      () =>
        new Proxy(new Error('x'), {
          get() {
            throw new Error('odd')
          },
          getPrototypeOf() {
            throw new Error('odd')
          },
        }),
    ],
  ])('%s has failed: first a retry, then a dead letter with the reason "failed"', async (_what, make) => {
    const { clock, broker, dead, finished, deliver } = await started(() => {
      throw make()
    })
    const first = deliver('fails')
    await clock.until('the retry', () => first.settlement !== undefined)
    const last = deliver('fails', { properties: { headers: { retries: 1 } } })
    await clock.until('the dead letter', () => last.settlement !== undefined)
    expect(finished).toEqual(['retried', 'deadLettered'])
    expect(dead.map(({ reason, number }) => [reason, number])).toEqual([['failed', 2]])
    expect(broker.publications.map(({ exchange, routingKey }) => exchange || routingKey)).toEqual([
      QUEUE,
      'payment.dlx',
    ])
  })

  it('a Reject is dead-lettered at once', async () => {
    const { clock, dead, deliver } = await started(() => {
      throw new Reject('no such card')
    })
    const delivery = deliver('rejected')
    await clock.until('it is settled', () => delivery.settlement !== undefined)
    expect(dead.map(({ reason }) => reason)).toEqual(['rejected'])
  })
})

describe('A retry that cannot be encoded', () => {
  /** The client throws for what it cannot write: here, for copies that `refuses` says. */
  function refuse(broker: FakeBroker, refuses: (publication: { exchange: string; headers: object }) => boolean): void {
    const channel = broker.channels.find(({ confirms }) => confirms)
    if (channel === undefined) throw new Error('no channel to publish on')
    const publish = channel.publish.bind(channel)
    channel.publish = (exchange, routingKey, content, properties = {}, done) => {
      if (refuses({ exchange, headers: properties.headers ?? {} })) throw new RangeError('does not fit into a frame')
      return publish(exchange, routingKey, content, properties, done)
    }
  }
  const fails = (): never => {
    throw new Error('no such customer')
  }
  const large = { properties: { headers: { baggage: 'x'.repeat(140_000) } } }

  it("sheds its sender's headers, says which, and is acknowledged once", async () => {
    const { clock, broker, deliver, settlements, finished } = await started(fails)
    refuse(broker, ({ headers }) => Object.hasOwn(headers, 'baggage'))
    const delivery = deliver('large', large)
    await clock.until('it is settled', () => delivery.settlement !== undefined)
    expect(broker.publications.map(({ properties }) => properties.headers)).toMatchObject([
      { retries: 1, id: 'large', task: task.name, 'x-warren-headers-dropped': 'baggage' },
    ])
    expect([finished, delivery.settlement, settlements()]).toEqual([['retried'], 'acked', 1])
  })

  it('even without them is dead-lettered as failed, with the error of the handler, and is acknowledged once', async () => {
    const { clock, broker, deliver, settlements, dead } = await started(fails)
    refuse(broker, ({ exchange }) => exchange === '')
    const delivery = deliver('large', large)
    await clock.until('it is settled', () => delivery.settlement !== undefined)
    expect(broker.publications.map(({ exchange }) => exchange)).toEqual(['payment.dlx'])
    expect(dead).toMatchObject([{ reason: 'failed', number: 1, error: { message: 'no such customer' } }])
    expect([delivery.settlement, settlements()]).toEqual(['acked', 1])
  })

  it('with a dead letter that only its barest copy lets through: that is sent, and it is acknowledged once', async () => {
    const { clock, broker, deliver, settlements } = await started(fails)
    refuse(broker, ({ exchange, headers }) => exchange === '' || Object.hasOwn(headers, 'task'))
    const delivery = deliver('large', large)
    await clock.until('it is settled', () => delivery.settlement !== undefined)
    expect(broker.publications.map(({ exchange }) => exchange)).toEqual(['payment.dlx'])
    expect(broker.publications[0]?.properties.headers).toMatchObject({ 'x-warren-reason': 'failed' })
    expect([delivery.settlement, settlements()]).toEqual(['acked', 1])
  })
})

it('attempt.log carries the id, the task and the attempt, also after a failed one', async () => {
  const lines: object[] = []
  const log = (fields: object) => void lines.push(fields)
  const logger: Logger = { debug: log, info: log, warn: log, error: log }
  const broker = new FakeBroker()
  const { worker } = workerOn(broker, undefined, {}, logger)
  worker.handle(task, async (_input, attempt) => attempt.log.info({ mine: 1 }, 'charging'))
  await worker.start()
  broker.deliver(QUEUE, taskMessage(task, { cents: 1 }, 'logged', { properties: { headers: { retries: 1 } } }))
  await vi.waitFor(() => expect(lines).toEqual([{ id: 'logged', task: task.name, attempt: 2, mine: 1 }]))
  await worker.stop()
})

it('What a handler does after its time limit changes nothing: one retry, one acknowledgement', async () => {
  const store = new FakeStore()
  const { clock, broker, deliver, settlements } = await started(
    async (_input: never, attempt: { progress(value: unknown): Promise<void> }) => {
      await pause(20_000)
      await attempt.progress('late')
      return 'late'
    },
    { store },
  )
  const delivery = deliver('deaf')
  await clock.until('it is settled', () => delivery.settlement !== undefined)
  await clock.advance(30_000)
  expect([broker.publications.length, settlements()]).toEqual([1, 1])
  expect(store.asked('store')).toHaveLength(1)
  expect(store.stored.get('deaf')).toContain('RETRY')
})

it.each<[string, (signal: AbortSignal, broken: () => never) => void]>([
  ['a function', (signal, broken) => signal.addEventListener('abort', broken)],
  ['an object', (signal, broken) => signal.addEventListener('abort', { handleEvent: broken })],
  ['onabort', (signal, broken) => Object.assign(signal, { onabort: broken })],
  ['one that rejects', (signal, broken) => signal.addEventListener('abort', async () => broken())],
])('An abort listener that fails (%s) keeps neither the others nor the process from going on', async (_what, add) => {
  const heard: string[] = []
  const unheard = (): unknown => heard.push('taken away')
  const { clock, deliver, finished } = await started(async (...given: never[]) => {
    const { signal } = given[1] as unknown as { signal: AbortSignal }
    add(signal, () => {
      throw new Error('a broken listener')
    })
    signal.addEventListener('abort', unheard)
    signal.removeEventListener('abort', unheard)
    signal.addEventListener('abort', () => heard.push('another'), { once: true })
    await new Promise(() => undefined)
  })
  deliver('stuck')
  await clock.advance(5_100)
  await vi.waitFor(() => expect(finished).toEqual(['retried']))
  expect(heard).toEqual(['another'])
})
