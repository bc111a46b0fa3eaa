/** Dead letters are strangers' messages: whatever they hold, reading, filtering, showing and sending back do not throw. */
import type { ConsumeMessage } from 'amqplib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { details, jsonOf, rowOf } from '../../cli/dlqLook.js'
import { jsonLine } from '../../cli/printable.js'
import { matches } from '../../src/deadLetters/filter.js'
import { destinationOf, freshCopy, runOf } from '../../src/deadLetters/redrive.js'
import { headers, OriginUnknownError } from '../../src/index.js'
import { readContent, readDeadLetter } from '../../src/wire/deadLetter.js'

const NOW = Date.parse('2026-03-01T12:00:00Z')

/** Warren's and the broker's own names with anything in them, and names that objects have by themselves. */
const name = fc.oneof(
  fc.constantFrom(
    ...Object.values(headers),
    ...['task', 'id', 'retries', 'expires', 'eta', 'timelimit', 'traceparent', 'x-death', 'x-delivery-count', 'CC'],
    ...['__proto__', 'constructor', 'toString', 'toJSON', 'then', 'hasOwnProperty', '!', 'value'],
    ...['reason', 'queue', 'exchange', 'routing-keys', 'time', 'count', 'original-expiration'],
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
)

/** Everything that AMQP's field types become when they are read, and what a later client may make of them. */
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.integer(),
    fc.double(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.boolean(),
    fc.constantFrom<unknown>(null, undefined, '', 'x'.repeat(70_000)),
    fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
    fc.date({ noInvalidDate: false }),
    fc.oneof(fc.integer(), fc.double(), fc.bigInt()).map((seconds) => ({ '!': 'timestamp', value: seconds })),
    fc.record({ '!': fc.string({ maxLength: 9 }), value: tie('value') }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(name, tie('value'), { maxKeys: 4 }),
    fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: false }),
  ),
}))
const table = fc.array(fc.tuple(name, value), { maxLength: 12 }).map((entries) => Object.fromEntries(entries))
const deaths = fc.array(fc.oneof(value, table), { maxLength: 3 })
const strange = fc
  .record({
    headers: fc.oneof(
      table,
      fc.tuple(table, deaths).map(([given, death]) => ({ ...given, 'x-death': death })),
      value,
    ),
    messageId: value,
    contentType: value,
    content: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  })
  .map(
    ({ content, ...properties }) =>
      ({
        content,
        fields: { deliveryTag: 1, redelivered: false, exchange: 'a.dlx', routingKey: 'x', consumerTag: 'c' },
        properties,
      }) as unknown as ConsumeMessage,
  )

describe('Whatever a message holds', () => {
  it('it is read, filtered and shown', () => {
    fc.assert(
      fc.property(strange, (message) => {
        const letter = readDeadLetter(message)
        expect(letter.id).not.toBe('')
        for (const filter of [
          { id: 'a' },
          { task: 'a' },
          { reason: 'failed' },
          { olderThanMs: 1 },
          { text: 'a' },
        ] as const) {
          expect(typeof matches(filter, letter, message, NOW)).toBe('boolean')
        }
        expect(matches({ id: letter.id, reason: letter.reason }, letter, message, NOW)).toBe(true)
        const content = readContent(message)
        expect(typeof details(content, NOW)).toBe('string')
        expect(rowOf(letter)).toHaveLength(4)
        // One line, which anybody's JSON can read.
        expect(JSON.parse(jsonLine(jsonOf(content)))).toMatchObject({ id: expect.any(String) })
      }),
      { numRuns: 300 },
    )
  })

  it('it is sent back whole, or without what cannot be written, or stays for the reason that its origin is unknown', () => {
    fc.assert(
      fc.property(strange, fc.constantFrom('origin' as const, 'queue' as const), (message, to) => {
        const letter = readDeadLetter(message)
        const options = { to, now: NOW, run: runOf(message, NOW) }
        for (const slim of [false, true]) {
          const { properties } = freshCopy(message, letter, { ...options, slim })
          expect(properties.headers).toMatchObject({
            [headers.redriven]: letter.redriven + 1,
            [headers.run]: options.run,
          })
          expect(properties.headers).not.toHaveProperty(headers.reason)
        }
        try {
          const { exchange, routingKey } = destinationOf(letter, to)
          expect(Buffer.byteLength(exchange)).toBeLessThanOrEqual(255)
          expect(Buffer.byteLength(routingKey)).toBeLessThanOrEqual(255)
        } catch (error) {
          expect(error).toBeInstanceOf(OriginUnknownError)
        }
      }),
      { numRuns: 300 },
    )
  })
})

it('A redrive begins a later run than the one that ended, also when that one’s clock was ahead', () => {
  const ran = (run: unknown) => ({ properties: { headers: { [headers.run]: run } } }) as unknown as ConsumeMessage
  expect(runOf(ran(undefined), NOW)).toBe(NOW)
  expect(runOf(ran(NOW - 5), NOW)).toBe(NOW)
  expect(runOf(ran(NOW), NOW)).toBe(NOW + 1)
  expect(runOf(ran(NOW + 60_000), NOW)).toBe(NOW + 60_001)
  expect(runOf(ran(Number.MAX_SAFE_INTEGER), NOW)).toBe(Number.MAX_SAFE_INTEGER)
  expect(runOf(ran('later'), NOW)).toBe(NOW)
})
