/** Copies of strangers' messages: whatever their headers are, there is a copy that can be written. */
import type { ConsumeMessage } from 'amqplib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameWriter } from '../../src/amqp/frameWriter.js'
import { copyOf, SLIM_HEADER_BYTES, slimCopyOf } from '../../src/wire/copy.js'
import { headerBytes } from '../../src/wire/headerSize.js'
import { headers } from '../../src/wire/names.js'
import { taskIdOf } from '../../src/wire/redelivery.js'

function written(table: object): number {
  const writer = new FrameWriter()
  writer.headers(table)
  return writer.at
}

const message = (given: Record<string, unknown>, properties: object = {}): ConsumeMessage =>
  ({
    content: Buffer.from('[]'),
    fields: { exchange: 'a.commands', routingKey: 'a.b', deliveryTag: 1, redelivered: false, consumerTag: '' },
    properties: { headers: given, ...properties },
  }) as unknown as ConsumeMessage

/** What a header may hold once it was read: a table with a key `!` is another thing then. */
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string({ maxLength: 3_000 }),
    fc.integer(),
    fc.double({ noNaN: true, min: -(2 ** 62) }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 2_000 }).map((bytes) => Buffer.from(bytes)),
    fc.nat().map((seconds) => ({ '!': 'timestamp', value: seconds })),
    fc.nat(255).map((places) => ({ '!': 'decimal', value: { places, digits: 5 } })),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.string({ maxLength: 40 }).filter((name) => name !== '!'),
      tie('value'),
      { maxKeys: 4 },
    ),
  ),
}))
const table = fc.dictionary(fc.string({ maxLength: 60 }), value, { maxKeys: 30 })

describe('A slim copy', () => {
  it('keeps everything when it fits', () => {
    const given = { task: 'a.b', 'x-mine': 'small' }
    expect(slimCopyOf(message(given), 'id', { added: 1 })).toEqual(copyOf(message(given), 'id', { added: 1 }))
  })

  it("drops its sender's largest headers first, says which, and keeps what a worker reads", () => {
    const given = {
      task: 'a.b',
      id: 'i',
      argsrepr: 'x'.repeat(60_000),
      'x-mine': 'small',
      'x-other': 'y'.repeat(9_000),
    }
    const copy = slimCopyOf(message(given), 'i', { retries: 1 })
    const { argsrepr, ...rest } = given
    expect(copy.properties.headers).toEqual({ ...rest, retries: 1, [headers.headersDropped]: 'argsrepr' })
  })

  it('drops what a worker reads rather than not fit at all', () => {
    const given = { task: 'a.b', id: 'i', tracestate: 'x'.repeat(60_000), 'x-mine': 'small' }
    expect(slimCopyOf(message(given), 'i', {}).properties.headers).toEqual({
      task: 'a.b',
      id: 'i',
      [headers.headersDropped]: 'x-mine, tracestate',
    })
  })

  it('drops values that cannot be written again', () => {
    let deep: unknown[] = []
    for (let depth = 0; depth < 1_000; depth++) deep = [deep]
    const given = {
      tag: { '!': 'nonsense' },
      nan: Number.NaN,
      date: { '!': 'timestamp', value: 2 ** 64 },
      deep,
    }
    const copy = slimCopyOf(message({ ...given, fine: 1 }), 'i', {})
    expect(copy.properties.headers).toEqual({ fine: 1, [headers.headersDropped]: expect.any(String) })
    for (const name of Object.keys(given)) expect(copy.properties.headers[headers.headersDropped]).toContain(name)
  })

  it('notes what an earlier copy dropped, in a text of limited length', () => {
    const given = Object.fromEntries(Array.from({ length: 2_000 }, (_, at) => [`header-${at}`, 'x'.repeat(50)]))
    const copy = slimCopyOf(message({ ...given, [headers.headersDropped]: 'earlier' }), 'i', {})
    const note = copy.properties.headers[headers.headersDropped] as string
    expect(note.startsWith('earlier, header-')).toBe(true)
    expect(note.length).toBeLessThanOrEqual(1_000)
  })

  it('fits, whatever the headers are', () => {
    fc.assert(
      fc.property(table, fc.integer({ min: 4_000, max: 20_000 }), (given, max) => {
        const { headers: copied } = slimCopyOf(message(given), 'i', { [headers.reason]: 'failed' }, max).properties
        expect(written(copied)).toBeLessThanOrEqual(max)
        expect(copied[headers.reason]).toBe('failed')
      }),
      { numRuns: 60 },
    )
    expect(SLIM_HEADER_BYTES).toBeLessThan(64 * 1024)
  })

  it('leaves out a number that RabbitMQ does not take, and says so', () => {
    const given = { fine: 1.5, infinite: Number.POSITIVE_INFINITY, within: { deep: [Number.NEGATIVE_INFINITY] } }
    const { headers: copied } = slimCopyOf(message(given), 'i', {}).properties
    expect(copied).toEqual({ fine: 1.5, [headers.headersDropped]: 'infinite, within' })
    expect(written(copied)).toBeGreaterThan(0)
  })
})

it('The size of a header is at least what the client writes', () => {
  fc.assert(
    fc.property(table, (given) => {
      const sum = Object.entries(given).reduce((bytes, [name, each]) => bytes + headerBytes(name, each), 4)
      expect(written(given)).toBeLessThanOrEqual(sum)
    }),
    { numRuns: 60 },
  )
})

it('The task id of a message is text that a copy can carry, or none', () => {
  const hostile = { toString: 1 }
  expect(taskIdOf(message({ id: hostile }))).toBe('')
  expect(taskIdOf(message({ id: 1n }, { messageId: 'm' }))).toBe('')
  expect(taskIdOf(message({}, { messageId: 'm' }))).toBe('m')
  expect(taskIdOf(message(undefined as never))).toBe('')
  expect(taskIdOf(message({ id: 'ü'.repeat(127) }))).toHaveLength(127)
  expect(taskIdOf(message({ id: 'ü'.repeat(128) }))).toBe('')
})

it('A copy never asks for a reply that its channel cannot take', () => {
  expect(copyOf(message({}, { replyTo: 'amq.rabbitmq.reply-to' }), 'i', {}).properties.replyTo).toBeUndefined()
  expect(copyOf(message({}, { replyTo: 'warren-replies-1' }), 'i', {}).properties.replyTo).toBe('warren-replies-1')
})
