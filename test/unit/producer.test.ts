/** What a broker does not do on demand to a producer; what it does is in promises/sending and promises/recovery. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Producer } from '../../src/send/producer.js'
import { closed, FakeBroker, FakeClock, type FakeConnection } from '../support/harness/index.js'

let clock: FakeClock
let broker: FakeBroker
let connection: FakeConnection
const made: Producer[] = []

beforeEach(() => {
  clock = new FakeClock()
  broker = new FakeBroker()
  connection = broker.connection()
})
afterEach(() => {
  for (const producer of made.splice(0)) producer.close()
  clock.stop()
})

function producerOn(): Producer {
  const producer = new Producer(connection.asConnection(), { maxUnconfirmed: 100, maxUnconfirmedBytes: 1_000_000 })
  made.push(producer)
  return producer
}

/** Publishes, and notes how it ends. */
function publish(producer: Producer, id: string, confirmTimeoutMs = 30_000, exchange = 'there') {
  const outcome: { end?: unknown } = {}
  const message = {
    content: Buffer.from(id),
    properties: { messageId: id, mandatory: true as const, headers: {} },
  }
  producer.publish({ id, exchange, routingKey: 'key', message, confirmTimeoutMs }).then(
    () => {
      outcome.end = 'confirmed'
    },
    (error: { code?: string }) => {
      outcome.end = error.code
    },
  )
  return outcome
}

const idsOf = (publications: readonly { content: Buffer }[]): string[] =>
  publications.map(({ content }) => content.toString())

it('Producers that share a connection have a channel each: a refusal on one does not touch the other', async () => {
  const [one, other] = [producerOn(), producerOn()]
  const republished: string[] = []
  other.on('republished', ({ reason }) => republished.push(reason))
  await clock.settle()
  expect(broker.channels).toHaveLength(2)
  broker.answer(
    'publish',
    () => 'nothing',
    closed(404, "NOT_FOUND - no exchange 'gone'"),
    () => 'confirm',
  )
  const innocent = publish(other, 'innocent')
  await clock.settle()
  const refused = publish(one, 'refused', 30_000, 'gone')
  await clock.until('the refusal', () => refused.end !== undefined)
  expect(refused.end).toBe('UNROUTABLE')
  expect(republished).toEqual([])
  broker.channels[0]?.emit('ack', { deliveryTag: 1, multiple: false })
  await clock.settle()
  expect(innocent.end).toBe('confirmed')
})

it('A producer that is closed closes its channel, and leaves the connection as it was', async () => {
  const before = connection.listenerCount('lost') + connection.listenerCount('open')
  const [one, other] = [producerOn(), producerOn()]
  await clock.settle()
  one.close()
  await clock.settle()
  expect(broker.channels).toHaveLength(1)
  const sent = publish(other, 'sent')
  await clock.settle()
  expect(sent.end).toBe('confirmed')
  other.close()
  expect(connection.listenerCount('lost') + connection.listenerCount('open')).toBe(before)
})

it('A channel closed because of an overdue message does not blame the one beside it', async () => {
  const producer = producerOn()
  await clock.settle()
  broker.answer(
    'publish',
    () => 'nothing',
    () => 'nothing',
    () => 'confirm',
  )
  const culprit = publish(producer, 'culprit', 200, 'gone')
  await clock.until('its deadline', () => culprit.end !== undefined)
  const innocent = publish(producer, 'innocent')
  await clock.settle()
  broker.channels[0]?.closeByBroker(404, "NOT_FOUND - no exchange 'gone'")
  await clock.until('the end of the innocent', () => innocent.end !== undefined)
  expect([culprit.end, innocent.end]).toEqual(['UNCONFIRMED', 'confirmed'])
})

it('An overdue message alone on a channel that is closed blames nobody later', async () => {
  const producer = producerOn()
  await clock.settle()
  broker.answer(
    'publish',
    () => 'nothing',
    () => 'confirm',
  )
  const culprit = publish(producer, 'culprit', 200, 'gone')
  await clock.until('its deadline', () => culprit.end !== undefined)
  broker.channels[0]?.closeByBroker(406, 'PRECONDITION_FAILED')
  const [one, two] = [publish(producer, 'one'), publish(producer, 'two')]
  await clock.until('both', () => one.end !== undefined && two.end !== undefined)
  expect([one.end, two.end]).toEqual(['confirmed', 'confirmed'])
})

it('Suspects go one at a time, however many others end meanwhile', async () => {
  const producer = producerOn()
  await clock.settle()
  const nothing = () => 'nothing'
  broker.answer('publish', nothing, nothing, nothing, nothing, () => 'confirm')
  const suspects = ['a', 'b', 'c'].map((id) => publish(producer, id))
  await clock.settle()
  broker.channels[0]?.closeByBroker(404, "NOT_FOUND - no exchange 'gone'")
  // Bystanders that are past their deadline while the suspects wait.
  const bystanders = ['x', 'y', 'z', 'w'].map((id) => publish(producer, id, 50))
  await clock.until('the ends of the bystanders', () => bystanders.every(({ end }) => end === 'UNCONFIRMED'))
  expect(idsOf(broker.publications)).toEqual(['a', 'b', 'c', 'a'])
  broker.channels[0]?.closeByBroker(404, "NOT_FOUND - no exchange 'gone'")
  await clock.until('the ends of the suspects', () => suspects.every(({ end }) => end !== undefined))
  expect(suspects.map(({ end }) => end)).toEqual(['UNROUTABLE', 'confirmed', 'confirmed'])
})

it('A silent channel is replaced, also when every message has less time than that', async () => {
  const producer = producerOn()
  await clock.settle()
  const [first] = broker.channels
  broker.answer(
    'publish',
    () => 'nothing',
    () => 'nothing',
    () => 'confirm',
  )
  const one = publish(producer, 'one', 1_000)
  await clock.advance(11_000)
  const two = publish(producer, 'two', 1_000)
  await clock.until('the end of the second', () => two.end !== undefined)
  expect([one.end, two.end]).toEqual(['UNCONFIRMED', 'confirmed'])
  expect(first?.open).toBe(false)
})

it('A message without a deadline is published again for as long as it takes', async () => {
  const producer = producerOn()
  await clock.settle()
  broker.answer('publish', () => 'nothing')
  const patient = publish(producer, 'patient', Number.POSITIVE_INFINITY)
  connection.lose()
  await clock.advance(3_000_000)
  expect(patient.end).toBeUndefined()
  broker.answer('publish', () => 'confirm')
  connection.reopen()
  await clock.settle()
  expect(patient.end).toBe('confirmed')
})

it('Deadlines do not follow the wall clock', async () => {
  const producer = producerOn()
  await clock.settle()
  broker.answer('publish', () => 'nothing')
  const sent = publish(producer, 'sent', 5_000)
  clock.jumpTo(new Date('2031-01-01T00:00:00Z'))
  await clock.advance(1_000)
  expect(sent.end).toBeUndefined()
  await clock.advance(5_000)
  expect(sent.end).toBe('UNCONFIRMED')
})

it('confirmed is told after the promises of all that one answer confirms', async () => {
  const producer = producerOn()
  await clock.settle()
  broker.answer('publish', () => 'nothing')
  const sent = ['a', 'b', 'c'].map((id) => publish(producer, id))
  await clock.settle()
  const seen: unknown[] = []
  producer.on('confirmed', () => queueMicrotask(() => seen.push(sent.map(({ end }) => end))))
  broker.channels[0]?.emit('ack', { deliveryTag: 3, multiple: true })
  await clock.settle()
  expect(seen).toEqual(Array.from({ length: 3 }, () => ['confirmed', 'confirmed', 'confirmed']))
})

it('flush ends after the time it was given, and close rejects what is left', async () => {
  const producer = producerOn()
  await clock.settle()
  broker.answer('publish', () => 'nothing')
  const sent = publish(producer, 'sent', Number.POSITIVE_INFINITY)
  let flushed = false
  void producer.flush(2_000).then(() => {
    flushed = true
  })
  await clock.advance(1_900)
  expect(flushed).toBe(false)
  await clock.advance(200)
  expect(flushed).toBe(true)
  producer.close()
  await clock.settle()
  expect(sent.end).toBe('CLOSED')
})
