import type { ConsumeMessage } from 'amqplib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type DeadLetterFilter, matches } from '../../src/deadLetters/filter.js'
import { destinationOf, freshCopy } from '../../src/deadLetters/redrive.js'
import { sweep } from '../../src/deadLetters/sweep.js'
import { connect, headers, OptionsError, UnconfirmedError, UnroutableError, type WarrenError } from '../../src/index.js'
import { originOf } from '../../src/wire/copy.js'
import { DEATH_REASONS, readContent, readDeadLetter } from '../../src/wire/deadLetter.js'
import { queueKey } from '../../src/wire/delayedKey.js'

const NOW = Date.parse('2026-03-01T12:00:00Z')
const QUEUE = 'payment.invoice.create.demo-service'

function message(
  given: Record<string, unknown>,
  properties: Record<string, unknown> = {},
  content = Buffer.from('[[],{"customer":"C-1042"},{}]'),
): ConsumeMessage {
  return {
    content,
    fields: { deliveryTag: 1, redelivered: false, exchange: 'payment.dlx', routingKey: 'x', consumerTag: 'c' },
    properties: { headers: given, ...properties },
  } as unknown as ConsumeMessage
}

const task = { task: 'payment.invoice.create', id: 'a-task-id' }

const byWarren = (more: Record<string, unknown> = {}) =>
  message({
    ...task,
    [headers.reason]: 'failed',
    [headers.errorClass]: 'HandlerError',
    [headers.errorMessage]: 'no such customer',
    [headers.attempts]: 4,
    [headers.exchange]: 'payment.commands',
    [headers.routingKey]: 'payment.invoice.create',
    [headers.queue]: QUEUE,
    [headers.at]: '2026-03-01T11:00:00.000Z',
    retries: 3,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    ...more,
  })

/** As amqplib decodes what RabbitMQ 3.10.8 and 4.0.5 write. */
const xDeath = (reason: string, more: Record<string, unknown> = {}) => [
  {
    count: 1,
    reason,
    queue: QUEUE,
    time: { '!': 'timestamp', value: NOW / 1000 - 600 },
    exchange: 'payment.commands',
    'routing-keys': ['payment.invoice.create'],
    ...more,
  },
]
const byBroker = (reason: string, more: Record<string, unknown> = {}) =>
  message({
    ...task,
    'x-death': xDeath(reason, more),
    'x-first-death-queue': QUEUE,
    'x-first-death-reason': reason,
    'x-first-death-exchange': 'payment.commands',
  })

describe('why a dead letter died, in words', () => {
  it.each([
    [byWarren(), 'failed', 'failed on attempt 4 with HandlerError: no such customer'],
    [
      byWarren({ [headers.reason]: 'rejected' }),
      'rejected',
      'rejected by its handler on attempt 4 with HandlerError: no such customer',
    ],
    [
      byWarren({ [headers.reason]: 'undecodable' }),
      'undecodable',
      'cannot be read as a task message (HandlerError: no such customer)',
    ],
    [byWarren({ [headers.reason]: 'of-the-future' }), 'unknown', 'of-the-future (HandlerError: no such customer)'],
    [byBroker('expired'), 'expired', `expired while it waited in ${QUEUE} (the queue's TTL)`],
    [
      byBroker('expired', { 'original-expiration': '5000' }),
      'expired',
      `expired while it waited in ${QUEUE} (its own expiration of 5000 ms)`,
    ],
    [byBroker('rejected'), 'rejected', `rejected by a consumer of ${QUEUE}`],
    [
      byBroker('delivery_limit'),
      'delivery-limit',
      `delivered from ${QUEUE} more often than its delivery limit; it may kill the workers that run it`,
    ],
    [byBroker('maxlen'), 'maxlen', `dropped from ${QUEUE}, which had reached its length limit`],
    [byBroker('something_new'), 'unknown', `dead-lettered from ${QUEUE}: something_new`],
    [message({}), 'unknown', 'the message contains no reason'],
  ])('%#: %s', (given, reason, why) => {
    expect(readDeadLetter(given)).toMatchObject({ reason, why })
  })

  it('reads all that Warren notes', () => {
    expect(readDeadLetter(byWarren())).toEqual({
      ...{ id: 'a-task-id', task: 'payment.invoice.create', by: 'warren', reason: 'failed' },
      why: 'failed on attempt 4 with HandlerError: no such customer',
      diedAt: new Date('2026-03-01T11:00:00Z'),
      ...{ queue: QUEUE, exchange: 'payment.commands', routingKey: 'payment.invoice.create', attempts: 4 },
      ...{ errorClass: 'HandlerError', errorMessage: 'no such customer', redriven: 0, bytes: 29 },
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    })
  })

  it('takes what the broker notes of the latest death', () => {
    const twice = [...xDeath('expired'), ...xDeath('rejected', { queue: 'elsewhere', exchange: 'other' })]
    expect(readDeadLetter(message({ ...task, 'x-death': twice }))).toMatchObject({
      ...{ by: 'broker', reason: 'expired', queue: QUEUE, exchange: 'payment.commands' },
      diedAt: new Date(NOW - 600_000),
    })
  })

  const outOfLevels = (key: string, more: Record<string, unknown> = {}) => {
    const given = message({
      ...{ ...task, ...more },
      'x-death': xDeath('expired', {
        ...{ queue: 'warren.delay.level.00', exchange: 'warren.delay.level.00', 'routing-keys': [key] },
      }),
    })
    return { ...given, fields: { ...given.fields, exchange: 'warren.delay.due', routingKey: key } }
  }

  it('knows a delayed message that no queue took, and where it was to go', () => {
    expect(readDeadLetter(outOfLevels('payment.invoice.create'))).toMatchObject({
      ...{ by: 'broker', reason: 'unroutable', queue: undefined },
      why: 'no queue took task payment.invoice.create when it was due: none is bound to warren.delay.due for it',
      ...{ exchange: 'payment.commands', routingKey: 'payment.invoice.create' },
    })
    // A retry is for one queue, and says where it came from.
    const retry = { [headers.exchange]: 'payment.commands', [headers.routingKey]: 'payment.invoice.create' }
    expect(readDeadLetter(outOfLevels(queueKey(QUEUE), retry))).toMatchObject({
      ...{ reason: 'unroutable', queue: QUEUE, exchange: 'payment.commands', routingKey: 'payment.invoice.create' },
    })
    expect(readDeadLetter(outOfLevels(queueKey(QUEUE)))).toMatchObject({ exchange: '', routingKey: QUEUE })
    // The name of a long queue is a hash in the key: there is nowhere to send it back to, but where its headers say.
    const hashed = readDeadLetter(outOfLevels(queueKey(`${'q'.repeat(246)}.service`)))
    expect(hashed).toMatchObject({ reason: 'unroutable', exchange: undefined, routingKey: undefined })
    for (const to of ['origin', 'queue'] as const) expect(() => destinationOf(hashed, to)).toThrow(/origin|come from/i)
  })

  it('a dead letter that was delayed before goes back to where it was meant for, past the levels', () => {
    const died = byBroker('delivery_limit', {
      ...{ exchange: 'warren.delay.due', 'routing-keys': ['payment.invoice.create'] },
    })
    expect(readDeadLetter(died)).toMatchObject({
      ...{ reason: 'delivery-limit', exchange: 'payment.commands', routingKey: 'payment.invoice.create' },
    })
    expect(originOf(outOfLevels('payment.invoice.create'))).toEqual({
      ...{ exchange: 'payment.commands', routingKey: 'payment.invoice.create' },
    })
  })

  it('believes Warren where both have something to say', () => {
    const both = byWarren({ 'x-death': xDeath('expired', { exchange: '', 'routing-keys': ['q.retry.500'] }) })
    expect(readDeadLetter(both)).toMatchObject({ reason: 'failed', exchange: 'payment.commands' })
  })

  it.each([
    ['the message id', message({}, { messageId: 'its-message-id' }), 'its-message-id'],
    ['its content', message({ id: 7 }, { messageId: 'x'.repeat(300) }), expect.stringMatching(/^sha256-[0-9a-f]{16}$/)],
  ])('names a message without a task id by %s', (_what, given, id) => {
    expect(readDeadLetter(given).id).toEqual(id)
  })

  it('reads whatever a stranger sends', () => {
    const known = fc.constantFrom(...Object.values(headers), 'x-death', 'id', 'task', 'traceparent')
    fc.assert(
      fc.property(fc.dictionary(known, fc.anything()), fc.uint8Array(), (given, bytes) => {
        const letter = readContent(message(given, {}, Buffer.from(bytes)))
        expect(DEATH_REASONS).toContain(letter.reason)
        expect([typeof letter.id, typeof letter.why]).toEqual(['string', 'string'])
        matches({ text: 'x', olderThanMs: 1 }, letter, message(given), NOW)
      }),
    )
  })
})

describe('a filter', () => {
  const given = byWarren()
  const fits = (filter: DeadLetterFilter): boolean => matches(filter, readDeadLetter(given), given, NOW)
  it.each<[DeadLetterFilter, boolean]>([
    [{}, true],
    [{ id: 'a-task-id' }, true],
    [{ id: 'a-task' }, false],
    [{ task: 'payment.invoice.create', reason: 'failed' }, true],
    [{ task: 'payment.invoice.create', reason: 'expired' }, false],
    [{ olderThanMs: 3_599_000 }, true],
    [{ olderThanMs: 3_600_000 }, false],
    [{ newerThanMs: 3_601_000 }, true],
    [{ newerThanMs: 3_600_000 }, false],
    [{ text: 'c-1042' }, true],
    [{ text: 'HANDLERERROR: no SUCH' }, true],
    [{ text: 'c-1043' }, false],
  ])('%j: %s', (filter, expected) => {
    expect(fits(filter)).toBe(expected)
  })

  it('leaves out by age what does not say when it died', () => {
    const timeless = message(task)
    const letter = readDeadLetter(timeless)
    expect(matches({ olderThanMs: 0 }, letter, timeless, NOW)).toBe(false)
    expect(matches({ newerThanMs: 10 ** 12 }, letter, timeless, NOW)).toBe(false)
  })
})

describe('the message that a redrive sends', () => {
  const copied = (given: ConsumeMessage, to: 'origin' | 'queue' = 'origin') =>
    freshCopy(given, readDeadLetter(given), { to, now: NOW, run: NOW })

  it('has its content, its trace and all attempts before it, and nothing of its death', () => {
    const { content, properties } = copied(byWarren({ 'x-death': xDeath('expired'), 'x-delivery-count': 3, CC: ['x'] }))
    expect(content.toString()).toContain('C-1042')
    expect(properties).toMatchObject({ messageId: 'a-task-id', persistent: true })
    expect(properties.headers).toEqual({
      ...task,
      traceparent: expect.any(String),
      [headers.redriven]: 1,
      [headers.republished]: true,
      [headers.run]: NOW,
    })
  })

  it('counts how often', () => {
    expect(copied(byWarren({ [headers.redriven]: 2 })).properties.headers).toMatchObject({ [headers.redriven]: 3 })
  })

  it.each([
    ['2026-03-01T11:59:59.000000+00:00', undefined],
    ['2026-03-01T12:00:01.000000+00:00', '2026-03-01T12:00:01.000000+00:00'],
    [17, 17],
  ])("keeps its sender's deadline %s unless it has passed", (expires, kept) => {
    expect(copied(byWarren({ expires })).properties.headers.expires).toBe(kept)
  })

  it('goes to its origin, or past it to the queue that it died in, which it then remembers', () => {
    const letter = readDeadLetter(byWarren())
    expect(destinationOf(letter, 'origin')).toEqual({ exchange: 'payment.commands', routingKey: task.task })
    expect(destinationOf(letter, 'queue')).toEqual({ exchange: '', routingKey: QUEUE })
    expect(copied(byWarren(), 'queue').properties.headers).toMatchObject({
      [headers.exchange]: 'payment.commands',
      [headers.routingKey]: task.task,
    })
  })

  it.each(['origin', 'queue'] as const)('goes nowhere when its %s is not known', (to) => {
    expect(() => destinationOf(readDeadLetter(message(task)), to)).toThrow('is unknown')
  })
})

describe('a sweep', () => {
  /** A queue of numbered messages, as the scan shows it. `x-warren-reason` is `failed` for the even ones. */
  function fakeQueue(count: number) {
    const queue = Array.from({ length: count }, (_, n) =>
      message({ id: String(n), [headers.reason]: n % 2 === 0 ? 'failed' : 'expired' }),
    )
    const opened: { atMost?: number; maxAhead?: number }[] = []
    let finished = 0
    const open = async (bounds: { atMost?: number; maxAhead?: number }) => {
      opened.push(bounds)
      const shown = queue.slice(0, bounds.atMost)
      let at = 0
      return {
        total: shown.length,
        next: async () => shown[at++],
        ack: (each: ConsumeMessage) => void queue.splice(queue.indexOf(each), 1),
        finish: async () => void finished++,
      }
    }
    return { queue, opened, open, finished: () => finished }
  }
  const idOf = (each: ConsumeMessage): string => readDeadLetter(each).id
  const onKept = () => undefined

  it('deals with what fits and leaves the rest in its order', async () => {
    const { queue, open } = fakeQueue(10)
    const summary = await sweep({ filter: { reason: 'failed' }, open, act: async () => undefined, onKept })
    expect(summary).toEqual({ total: 10, scanned: 10, done: 5, kept: 0, matched: 5, stopped: 'end', dryRun: false })
    expect(queue.map(idOf)).toEqual(['1', '3', '5', '7', '9'])
  })

  it('stops at its limit, and touches nothing in a dry run', async () => {
    const { queue, open } = fakeQueue(10)
    const act = async () => undefined
    expect(await sweep({ filter: {}, limit: 3, dryRun: true, open, act, onKept })).toMatchObject({
      ...{ done: 0, matched: 3, stopped: 'limit', dryRun: true },
    })
    expect(queue).toHaveLength(10)
    expect(await sweep({ filter: {}, limit: 3, open, act, onKept })).toMatchObject({ done: 3, stopped: 'limit' })
    expect(queue.map(idOf)).toEqual(['3', '4', '5', '6', '7', '8', '9'])
  })

  it('keeps what cannot be dealt with, says why, and goes on', async () => {
    const { queue, open } = fakeQueue(6)
    const kept: [string, WarrenError][] = []
    const summary = await sweep({
      filter: {},
      open,
      act: async (_, { id }) => {
        if (Number(id) < 2) throw new UnroutableError('payment.commands', 'nowhere', 'no queue is bound for it')
      },
      onKept: ({ id }, problem) => kept.push([id, problem]),
    })
    expect(summary).toMatchObject({ done: 4, kept: 2, matched: 6, stopped: 'end' })
    expect(kept.map(([id, { code }]) => [id, code])).toEqual([
      ['0', 'UNROUTABLE'],
      ['1', 'UNROUTABLE'],
    ])
    expect(queue.map(idOf)).toEqual(['0', '1'])
  })

  it('ends when the broker does not answer, and gives back what it holds first', async () => {
    const { queue, open, finished } = fakeQueue(500)
    const act = async (_: ConsumeMessage, { id }: { id: string }) => {
      if (id === '3') throw new UnconfirmedError(id, 10, true, 'the broker has not confirmed it')
    }
    await expect(sweep({ filter: {}, open, act, onKept })).rejects.toMatchObject({ code: 'UNCONFIRMED' })
    expect(finished()).toBe(1)
    expect(queue.map(idOf)).toContain('3')
    expect(queue.length).toBeGreaterThan(300)
  })

  it('ends when aborted', async () => {
    const { queue, open } = fakeQueue(10)
    const abort = new AbortController()
    const act = async (_: ConsumeMessage, { id }: { id: string }) => {
      if (id === '4') abort.abort()
    }
    const summary = await sweep({ filter: {}, signal: abort.signal, open, act, onKept })
    expect(summary).toMatchObject({ done: 5, stopped: 'aborted' })
    expect(queue).toHaveLength(5)
  })

  it('goes in passes when it takes long, and never past what was there at the start', async () => {
    const { queue, open, opened, finished } = fakeQueue(10)
    const act = async (each: ConsumeMessage, { id }: { id: string }) => {
      // Sent back, it dies again at once.
      queue.push(each)
      if (id === '0') throw new UnroutableError('x', 'y', 'z')
      const until = performance.now() + 3
      while (performance.now() < until);
    }
    const summary = await sweep({ filter: {}, passMs: 8, open, act, onKept })
    expect(summary).toMatchObject({ total: 10, done: 9, kept: 1, matched: 10, stopped: 'end' })
    expect(opened.length).toBeGreaterThan(1)
    expect(finished()).toBe(opened.length)
    expect(opened.at(-1)?.atMost).toBeLessThan(10)
  })

  it('holds less ahead when it goes slowly', async () => {
    const { open, opened } = fakeQueue(1)
    await sweep({ filter: {}, rate: 0.1, open, act: async () => undefined, onKept })
    expect(opened).toEqual([{ maxAhead: 6 }])
  })
})

it('refuses wrong options before it connects', async () => {
  const { Warren } = await import('../../src/warren.js')
  const warren = new Warren({ broker: 'amqp://127.0.0.1:1', logger: false })
  expect(typeof connect).toBe('function')
  const letters = warren.deadLetters({ domain: 'payment' })
  expect(letters.queue).toBe('payment.dlq')
  expect(warren.deadLetters({ queue: 'graveyard' }).queue).toBe('graveyard')
  expect(() => warren.deadLetters({ dommain: 'payment' } as never)).toThrow(OptionsError)
  expect(() => letters.list({ reson: 'failed' } as never)).toThrow('did you mean `reason`?')
  expect(() => letters.list({}, { limit: 0 })).toThrow('expected `limit` to be an integer ≥ 1, got: 0')
  await expect(letters.redrive({}, { rate: 0 })).rejects.toThrow('expected `rate` to be a number > 0')
  await expect(letters.redrive({}, { to: 'elsewhere' as never })).rejects.toThrow("'origin' or 'queue'")
  await expect(letters.purge({ reason: 'expird' as never })).rejects.toThrow('expected `reason` to be')
})
