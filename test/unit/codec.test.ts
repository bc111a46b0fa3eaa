/** The promise: whatever a stranger writes into headers and properties is read, and goes into a copy, or is said to be unreadable. */
import { inspect } from 'node:util'
import type { ChannelModel } from 'amqplib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { extendCodec, UNDECODABLE_HEADER } from '../../src/amqp/codec.js'

const FRAME_MAX = 131_072
const PROPERTIES = 60

/** What the codec is put on: amqplib's connection, without a socket. */
function line(frameMax = FRAME_MAX) {
  const written: Buffer[] = []
  const connection = {
    rest: Buffer.alloc(0) as Buffer,
    frameMax,
    maxFrameSize: 0,
    channels: [null, { buffer: { write: (bytes: Buffer) => written.push(bytes) > 0 } }],
    sentSinceLastCheck: false,
    recvFrame: (): unknown => 'read by amqplib',
    sendMessage: (..._: unknown[]): boolean => false,
    sendContent: (_: number, content: Buffer) => written.push(content) > 0,
  }
  extendCodec({ connection } as unknown as ChannelModel)
  return { connection, written }
}

/** The frame of properties with these headers, which are bytes. */
function headersFrame(table: Buffer, flags = 0x2000, after = Buffer.alloc(0)): Buffer {
  const payload = Buffer.concat([Buffer.alloc(14), Buffer.alloc(4), table, after])
  payload.writeUInt16BE(PROPERTIES, 0)
  payload.writeUInt16BE(flags, 12)
  payload.writeUInt32BE(table.length, 14)
  const head = Buffer.alloc(7)
  head[0] = 2
  head.writeUInt16BE(1, 1)
  head.writeUInt32BE(payload.length, 3)
  return Buffer.concat([head, payload, Buffer.from([0xce])])
}

function read(frame: Buffer): Record<string, unknown> {
  const { connection } = line()
  connection.rest = Buffer.concat([frame, Buffer.from('next')])
  const { fields } = connection.recvFrame() as { fields: Record<string, unknown> }
  expect(connection.rest.toString()).toBe('next')
  return fields
}

const readHeaders = (table: Buffer) => read(headersFrame(table)).headers as Record<string, unknown>

/** Writes a message, and reads its properties again. */
function copy(properties: Record<string, unknown>, content = Buffer.from('body')): Record<string, unknown> {
  const { connection, written } = line()
  connection.sendMessage(1, 0, { exchange: 'e', routingKey: 'k', mandatory: true }, 0, properties, content)
  const bytes = written[0] as Buffer
  return read(onlyHeader(bytes))
}

/** The second of the frames that were written. */
function onlyHeader(bytes: Buffer): Buffer {
  const start = 8 + bytes.readUInt32BE(3)
  return bytes.subarray(start, start + 8 + bytes.readUInt32BE(start + 3))
}

const copyHeaders = (headers: unknown) => copy({ headers }).headers as Record<string, unknown>

/** One field of a table: its name, its type, and its bytes in hexadecimal. */
const field = (name: string, type: string, hex: string): Buffer =>
  Buffer.concat([Buffer.from([Buffer.byteLength(name)]), Buffer.from(name + type), Buffer.from(hex, 'hex')])

const long = (value: number): string => value.toString(16).padStart(8, '0')

describe('every type that RabbitMQ, py-amqp, and the Java and Go clients write', () => {
  const types: readonly [string, string, string, unknown][] = [
    ['an integer beyond 2^31 of py-amqp', 'L', '00000001_2a05f200', 5_000_000_000],
    ['a negative one', 'L', 'fffffffe_d5fa0e00', -5_000_000_000],
    ['the same of other clients', 'l', '00000001_2a05f200', 5_000_000_000],
    ['an integer that no number holds', 'L', '00200000_00000001', { '!': 'int64', value: '9007199254740993' }],
    ['the least integer', 'l', '80000000_00000000', { '!': 'int64', value: '-9223372036854775808' }],
    ['32 bits', 'I', '80000000', -(2 ** 31)],
    ['32 bits without a sign', 'i', 'ffffffff', 2 ** 32 - 1],
    ['16 bits', 's', '8000', -(2 ** 15)],
    ['16 bits of the specification', 'U', '8000', -(2 ** 15)],
    ['16 bits without a sign', 'u', 'ffff', 65_535],
    ['8 bits', 'b', '80', -128],
    ['8 bits without a sign', 'B', 'ff', 255],
    ['true', 't', '01', true],
    ['nothing', 'V', '', null],
    ['a float', 'f', '3fc00000', 1.5],
    ['a double', 'd', '3ff8000000000000', 1.5],
    ['the largest double, negative', 'd', 'ffefffffffffffff', -Number.MAX_VALUE],
    ['a whole double beyond 2^53', 'd', '4376345785d8a000', 1e17],
    ['minus nothing', 'd', '8000000000000000', -0],
    ['a decimal', 'D', '01_0000000f', { '!': 'decimal', value: { places: 1, digits: 15 } }],
    ['a negative decimal', 'D', '01_fffffff1', { '!': 'decimal', value: { places: 1, digits: -15 } }],
    ['an instant', 'T', '0000000065920080', { '!': 'timestamp', value: 1_704_067_200 }],
    ['an instant out of range', 'T', 'ffffffffffffffff', { '!': 'timestamp', value: '18446744073709551615' }],
    ['text', 'S', `${long(6)}c3a4f09f9880`, 'ä😀'],
    ['text that is no UTF-8', 'S', `${long(2)}00ff`, { '!': 'string', value: Buffer.from('00ff', 'hex') }],
    ['text with a replacement character', 'S', `${long(3)}efbfbd`, '\uFFFD'],
    ['a lone surrogate of py-amqp', 'S', `${long(3)}eda080`, { '!': 'string', value: Buffer.from('eda080', 'hex') }],
    ['bytes', 'x', `${long(2)}00ff`, Buffer.from('00ff', 'hex')],
    ['a table', 'F', `${long(7)}0161490000000a`, { a: 10 }],
    ['a table with the key !', 'F', `${long(3)}012156`, { '!': 'table', value: { '!': null } }],
    ['a list', 'A', `${long(5)}567401${'7400'}`, [null, true, false]],
    ['an empty list', 'A', long(0), []],
  ]

  it.each(types)('%s is read, goes through a copy, and can be printed', (_what, type, hex, expected) => {
    const headers = readHeaders(field('x-mine', type, hex.replaceAll('_', '')))
    expect(headers).toStrictEqual({ 'x-mine': expected })
    expect(copyHeaders(headers)).toStrictEqual({ 'x-mine': expected })
    expect(JSON.stringify(headers)).toContain('x-mine')
  })

  it.each([['__proto__'], [''], ['!'], ['constructor'], ['toString'], ['ä'.repeat(127)]])(
    'a header named %j',
    (name) => {
      const headers = readHeaders(field(name, 'I', '00000007'))
      expect(Object.entries(headers)).toStrictEqual([[name, 7]])
      expect(Object.entries(copyHeaders({ ...headers }))).toStrictEqual([[name, 7]])
    },
  )

  it('a name and a property that are no UTF-8 still fit into a copy', () => {
    const name = Buffer.concat([Buffer.from([255]), Buffer.alloc(255, 0xff), Buffer.from('V')])
    const properties = read(headersFrame(name, 0x2400, Buffer.concat([Buffer.from([255]), Buffer.alloc(255, 0xfe)])))
    expect(properties).toStrictEqual({ headers: { ['?'.repeat(255)]: null }, correlationId: '?'.repeat(255) })
    expect(copy(properties)).toStrictEqual(properties)
  })
})

describe('what cannot be read', () => {
  const unreadable: readonly [string, Buffer][] = [
    ['an unknown type', Buffer.concat([field('id', 'V', ''), field('x', 'q', '00')])],
    ['a text longer than its table', field('x', 'S', `${long(9)}00`)],
    ['a number that is cut off', field('x', 'l', '00')],
    ['a name that is cut off', Buffer.from([9, 0x61])],
    ['a table longer than its own', field('x', 'F', `${long(99)}00`)],
    [
      'tables that never end',
      Buffer.concat(Array.from({ length: 9_000 }, (_, n) => field('', 'F', long((8_999 - n) * 6)))),
    ],
  ]

  it.each(unreadable)('%s is said in one header, and the other properties are there', (_what, table) => {
    const after = Buffer.from([2, 0x69, 0x64])
    const properties = read(headersFrame(table, 0x2400, after))
    expect(properties).toStrictEqual({
      headers: { [UNDECODABLE_HEADER]: expect.stringContaining('cannot be read') },
      correlationId: 'id',
    })
    expect(copy(properties)).toStrictEqual(properties)
  })

  it('properties that are cut off are said, too', () => {
    expect(read(headersFrame(Buffer.alloc(0), 0x2400))).toStrictEqual({
      headers: { [UNDECODABLE_HEADER]: expect.any(String) },
    })
  })

  it('bytes of any kind are read without an exception, and what comes of them goes into a copy', () => {
    const tag = fc.constantFrom(...'SILlTDFAtVxdfbBsuUiq')
    const wild = fc
      .array(fc.tuple(fc.uint8Array({ maxLength: 6 }), tag, fc.uint8Array({ maxLength: 14 })), { maxLength: 5 })
      .map((fields) =>
        Buffer.concat(
          fields.map(([name, type, bytes]) =>
            Buffer.concat([Buffer.from([name.length]), name, Buffer.from(type), bytes]),
          ),
        ),
      )
    fc.assert(
      fc.property(wild, (table) => {
        const headers = readHeaders(table)
        const text = inspect(headers, { depth: 9 })
        JSON.stringify(headers)
        // RabbitMQ has no such numbers, and hands none out.
        if (!/NaN|Infinity/.test(text)) expect(copyHeaders(headers)).toStrictEqual(headers)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('what is written', () => {
  const value = fc.letrec<{ value: unknown; table: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.string({ unit: 'grapheme' }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer(),
      fc.maxSafeInteger(),
      fc.boolean(),
      fc.constant(null),
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.bigInt({ min: 2n ** 60n, max: 2n ** 63n - 1n }).map((each) => ({ '!': 'int64', value: String(each) })),
      fc.array(tie('value'), { maxLength: 4 }),
      tie('table'),
    ),
    table: fc.dictionary(
      fc.string({ unit: 'grapheme', maxLength: 20 }).filter((name) => name !== '!'),
      tie('value'),
      {
        maxKeys: 4,
        noNullPrototype: true,
      },
    ),
  }))

  it('is read as it was', () => {
    fc.assert(
      fc.property(value.table, (headers) => {
        expect(copyHeaders(headers)).toStrictEqual(headers)
      }),
    )
  })

  it('may have more than 64 KiB of headers', () => {
    const headers = { baggage: 'x'.repeat(100_000) }
    expect(copyHeaders(headers)).toStrictEqual(headers)
  })

  it('leaves out what is undefined', () => {
    expect(
      copy({ headers: { a: undefined }, contentType: undefined, priority: 9, timestamp: 5, deliveryMode: 2 }),
    ).toStrictEqual({ headers: {}, priority: 9, timestamp: 5, deliveryMode: 2 })
  })

  it('keeps an instant that no number holds', () => {
    const timestamp = { '!': 'timestamp', value: '18446744073709551615' }
    expect(copy({ timestamp })).toStrictEqual({ timestamp })
  })

  const circle: Record<string, unknown> = {}
  circle.again = circle
  it.each([
    ['more headers than a frame holds', { headers: { big: 'x'.repeat(FRAME_MAX) } }, /too large/],
    ['a circle', { headers: circle }, /cycle/],
    ['what RabbitMQ has no number for', { headers: { x: [Number.NaN] } }, /header x.*NaN/],
    ['an infinite double', { headers: { x: { '!': 'double', value: Number.POSITIVE_INFINITY } } }, /header x/],
    ['a function', { headers: { call: () => 1 } }, /header call/],
    ['a symbol in a list', { headers: { list: [Symbol('s')] } }, /header list/],
    ['a name of 256 bytes', { headers: { ['n'.repeat(256)]: 1 } }, /255 bytes/],
    ['an unknown type', { headers: { x: { '!': 'bogus', value: 1 } } }, /header x.*bogus/],
    ['a number that its type does not hold', { headers: { x: { '!': 'byte', value: 300 } } }, /header x/],
    ['a wide number of text', { headers: { x: { '!': 'int64', value: 'many' } } }, /header x/],
    ['an integer beyond 64 bits', { headers: { x: 2n ** 64n } }, /header x/],
    ['a decimal without digits', { headers: { x: { '!': 'decimal', value: {} } } }, /header x/],
    ['headers that are none', { headers: 'all' }, /headers/],
    ['a long property', { correlationId: 'i'.repeat(256) }, /correlationId.*255/],
    ['a property of another type', { type: 7 }, /type/],
    ['a priority out of range', { priority: 300 }, /priority/],
    ['an instant with a fraction', { timestamp: 1.5 }, /timestamp/],
  ])('%s is an ordinary error, and nothing is sent', (_what, properties, message) => {
    const { connection, written } = line()
    const fields = { exchange: 'e', routingKey: 'k' }
    expect(() => connection.sendMessage(1, 0, fields, 0, properties, Buffer.from(''))).toThrow(message)
    expect(written).toStrictEqual([])
    connection.sendMessage(1, 0, fields, 0, { headers: { a: 1 } }, Buffer.from(''))
    expect(written).toHaveLength(1)
  })

  it.each([0, 1, 1_900, 2_048, 300_000])('with a body of %d bytes', (length) => {
    const { connection, written } = line()
    const content = Buffer.alloc(length, 7)
    connection.sendMessage(1, 0, { exchange: '', routingKey: 'k', mandatory: false }, 0, {}, content)
    expect(onlyHeader(written[0] as Buffer).readUIntBE(13, 6)).toBe(length)
    expect(Buffer.concat(written).includes(content)).toBe(true)
  })
})

describe('other frames', () => {
  it.each([
    ['nothing', Buffer.alloc(0)],
    ['half a frame', headersFrame(Buffer.alloc(0)).subarray(0, 12)],
    ['a frame without its end', Buffer.concat([headersFrame(Buffer.alloc(0)).subarray(0, -1), Buffer.from([1])])],
    ['a method', Buffer.from('01000100000004000a000bce', 'hex')],
  ])('%s is left to amqplib', (_what, bytes) => {
    const { connection } = line()
    connection.rest = bytes
    expect(connection.recvFrame()).toBe('read by amqplib')
    expect(connection.rest).toBe(bytes)
  })
})
