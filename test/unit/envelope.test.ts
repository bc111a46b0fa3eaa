import { readFileSync } from 'node:fs'
import type { Options } from 'amqplib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InputError, MessageError } from '../../src/errors/index.js'
import { decode, type Encoded, type Envelope, encode, type ReceivedProperties } from '../../src/wire/envelope.js'

interface MessageFixture {
  readonly why: string
  readonly properties: ReceivedProperties & { readonly headers: Readonly<Record<string, unknown>> }
  readonly base64: string
}

/** Written by Python's Celery: test/support/python/fixtures.py. */
const fromPython = (
  JSON.parse(readFileSync(new URL('../support/fixtures/celery-messages.json', import.meta.url), 'utf8')) as {
    messages: readonly MessageFixture[]
  }
).messages

function fixture(why: string): MessageFixture {
  const found = fromPython.find((each) => each.why === why)
  if (found === undefined) throw new Error(`no fixture: ${why}`)
  return found
}

const decodeFixture = ({ properties, base64 }: MessageFixture): Envelope =>
  decode(properties, Buffer.from(base64, 'base64'))

const decodeEncoded = ({ properties, content }: Encoded): Envelope => decode(properties, content)

/** A message that `decode` takes, with parts replaced. */
const decodeWith = (
  changes: { headers?: Record<string, unknown>; body?: unknown; properties?: Record<string, unknown> } = {},
): Envelope =>
  decode(
    {
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      headers: { task: 'a.b', id: 'i', ...changes.headers },
      ...changes.properties,
    },
    Buffer.from(JSON.stringify(changes.body ?? [[], {}, {}])),
  )

/** JSON has no negative zero. */
const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown)
const text = fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' })
const shortText = text.filter((value) => Buffer.byteLength(value) <= 255)
const date = fc.date({
  min: new Date('0001-01-01T00:00:00Z'),
  max: new Date('9999-12-31T23:59:59.999Z'),
  noInvalidDate: true,
})
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })

const envelopes: fc.Arbitrary<Envelope> = fc.record({
  task: shortText,
  id: shortText,
  rootId: text,
  parentId: maybe(text),
  group: maybe(text),
  groupIndex: maybe(fc.nat()),
  retries: fc.nat(),
  run: fc.nat(Date.UTC(2100)),
  ignoreResult: fc.boolean(),
  eta: maybe(date),
  expires: maybe(date),
  timeLimitMs: maybe(fc.integer({ min: 1, max: 2 ** 31 - 1 })),
  args: fc.array(json, { maxLength: 3 }),
  canvas: fc.constant(undefined),
  input: json,
  replyTo: maybe(text),
  origin: maybe(text),
  sent: maybe(fc.nat(Date.UTC(2100))),
  tags: fc.array(text, { maxLength: 3 }),
  traceparent: maybe(text),
  tracestate: maybe(text),
})

describe('encode', () => {
  it('is undone by decode, for any envelope', () => {
    fc.assert(
      fc.property(envelopes, (envelope) => {
        expect(decodeEncoded(encode(envelope))).toEqual(envelope)
      }),
    )
  })

  it('sends only the headers that say something', () => {
    const { content, properties } = encode({ task: 'a.b', id: 'i', input: { x: 1 }, rootId: 'i', retries: 0 })
    expect(properties satisfies Options.Publish).toEqual({
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      correlationId: 'i',
      messageId: 'i',
      timestamp: expect.any(Number),
      persistent: true,
      mandatory: true,
      headers: { lang: 'js', task: 'a.b', id: 'i' },
    })
    expect(content.toString()).toBe('[[],{"x":1},{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]')
  })

  it('writes dates with six digits, since Celery 5.2 reads a fraction as microseconds', () => {
    const { headers } = encode({ task: 'a.b', id: 'i', input: {}, eta: new Date(1_500) }).properties
    expect(headers.eta).toBe('1970-01-01T00:00:01.500000+00:00')
  })

  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  it.each([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a BigInt', { big: 1n }],
    ['a cycle', cycle],
  ])('refuses an input that JSON cannot carry: %s', (_, input) => {
    expect(() => encode({ task: 'a.b', id: 'i', input })).toThrow(InputError)
  })

  it('refuses an id that no AMQP property holds, and a date that is none', () => {
    expect(() => encode({ task: 'a.b', id: '', input: {} })).toThrow(/id to have 1 to 255 bytes/)
    expect(() => encode({ task: 'a.b', id: 'ä'.repeat(128), input: {} })).toThrow(InputError)
    expect(() => encode({ task: 'a.b', id: 'i', input: {}, eta: new Date(Number.NaN) })).toThrow(
      /eta: expected a valid/,
    )
    expect(() => encode({ task: 'a.b', id: 'i', input: {}, expires: new Date(8.64e15) })).toThrow(InputError)
  })
})

describe('decode, of what Python sends', () => {
  it('takes keyword arguments as the input', () => {
    expect(decodeFixture(fixture('kwargs only'))).toEqual({
      task: 'payment.invoice.create',
      id: '6f1f2a4e-3f9c-4b7e-9f37-0d2f6d6b1a01',
      rootId: '6f1f2a4e-3f9c-4b7e-9f37-0d2f6d6b1a01',
      parentId: undefined,
      group: undefined,
      groupIndex: undefined,
      retries: 0,
      run: 0,
      ignoreResult: false,
      eta: undefined,
      expires: undefined,
      timeLimitMs: undefined,
      args: [],
      canvas: undefined,
      input: { customer: 'c1', amountCents: 1200, note: 'Grüße 🐇' },
      replyTo: undefined,
      origin: 'gen1@fixture',
      sent: undefined,
      tags: [],
      traceparent: undefined,
      tracestate: undefined,
    } satisfies Envelope)
    expect(decodeFixture(fixture('nothing at all')).input).toEqual({})
    expect(decodeFixture(fixture('no canvas, written as empty lists')).input).toMatchObject({ customer: 'c1' })
  })

  it('keeps positional arguments for the caller to judge', () => {
    expect(decodeFixture(fixture('positional arguments'))).toMatchObject({ args: ['c1', 1200], input: {} })
  })

  it('reads dates with a zone, in another zone, and naive as UTC', () => {
    const utc = decodeFixture(fixture('eta and expires in UTC'))
    expect(utc.eta?.toISOString()).toBe('2026-11-24T10:52:21.123Z')
    expect(utc.expires?.toISOString()).toBe('2026-11-24T10:52:21.000Z')
    const other = decodeFixture(fixture('naive eta, expires in another zone'))
    expect(other.eta?.toISOString()).toBe('2026-11-24T10:52:21.123Z')
    expect(other.expires?.toISOString()).toBe('2026-11-24T05:22:21.123Z')
  })

  it('reads the shorter time limit in milliseconds, the retries, the group and the family', () => {
    expect(decodeFixture(fixture('limits, retries, group, parent'))).toMatchObject({
      timeLimitMs: 2500,
      retries: 3,
      group: 'g1',
      parentId: 'p1',
      rootId: 'r1',
      replyTo: 'q1',
    })
  })

  it.each([
    ['protocol 1', /got protocol 1.*task_protocol = 2/],
    ['pickle', /application\/json, got: "application\/x-python-serialize"/],
    ['yaml', /application\/json, got: "application\/x-yaml"/],
    ['NaN', /not JSON/],
  ])('refuses %s and says so', (why, sentence) => {
    expect(() => decodeFixture(fixture(why))).toThrow(MessageError)
    expect(() => decodeFixture(fixture(why))).toThrow(sentence)
  })

  it.each([
    ['a callback', 'callbacks'],
    ['an errback', 'errbacks'],
    ['a chain', 'chain'],
    ['a chord', 'chord'],
  ] as const)('reads %s', (why, part) => {
    const { canvas } = decodeFixture(fixture(why))
    const [signature] = [canvas?.[part]].flat()
    expect(signature).toMatchObject({ task: 'user.account.create', args: [], kwargs: {}, subtask_type: null })
    expect(canvas?.refused).toBeUndefined()
    expect(decode(fixture(why).properties, encode({ task: 'a.b', id: 'i', input: {}, canvas }).content).canvas).toEqual(
      canvas,
    )
  })

  it('has a test for every fixture', () => {
    expect(fromPython).toHaveLength(15)
  })
})

describe('decode, of what nobody should send', () => {
  it.each<[string, Parameters<typeof decodeWith>[0], RegExp]>([
    ['no content type', { properties: { contentType: undefined } }, /application\/json, got: nothing/],
    ['compression', { headers: { compression: 'application/x-gzip' } }, /uncompressed.*"application\/x-gzip"/],
    ['gzip encoding', { properties: { contentEncoding: 'gzip' } }, /utf-8, got: "gzip"/],
    ['no headers', { properties: { headers: undefined } }, /header task .*got: nothing/],
    ['a number as task', { headers: { task: 7 } }, /header task .*got: 7/],
    ['a huge id', { headers: { id: 'x'.repeat(100_000) } }, /header id .*100000 characters/],
    ['bytes as id', { headers: { id: Buffer.from('abc') } }, /header id .*got: 3 bytes/],
    ['a table as root', { headers: { root_id: { a: 1 } } }, /header root_id .*got: an object/],
    ['an eta without sense', { headers: { eta: 'tomorrow' } }, /header eta .*got: "tomorrow"/],
    ['a 13th month', { headers: { expires: '2026-13-01T00:00:00Z' } }, /header expires/],
    ['half a retry', { headers: { retries: 0.5 } }, /header retries .*got: 0.5/],
    ['a time limit of text', { headers: { timelimit: ['1', null] } }, /timelimit/],
    ['a body that is an object', { body: {} }, /\[args, kwargs, embed\], got: an object/],
    ['two parts', { body: [[], {}] }, /got: a list of 2/],
    ['args that are none', { body: [{}, {}, {}] }, /args, body\[0\]/],
    ['embed as text', { body: [[], {}, 'x'] }, /embed, body\[2\]/],
  ])('refuses %s', (_, changes, sentence) => {
    expect(() => decodeWith(changes)).toThrow(MessageError)
    expect(() => decodeWith(changes)).toThrow(sentence)
  })

  it('refuses bytes that are not UTF-8, which would change the input', () => {
    const content = Buffer.concat([Buffer.from('[[],{"a":"'), Buffer.from([0xff]), Buffer.from('"},{}]')])
    expect(() => decode({ contentType: 'application/json', headers: { task: 'a.b', id: 'i' } }, content)).toThrow(
      /UTF-8/,
    )
  })

  it('lets a broken trace context pass, since the work matters more', () => {
    expect(decodeWith({ headers: { traceparent: 5 } }).traceparent).toBeUndefined()
  })

  it('reads or refuses a body nested deeper than any stack', () => {
    const deep = Buffer.from(`${'['.repeat(200_000)}${']'.repeat(200_000)}`)
    const properties = { contentType: 'application/json', headers: { task: 'a.b', id: 'i' } }
    expect(() => decode(properties, deep)).toThrow(MessageError)
    expect(
      Array.isArray(decode(properties, Buffer.concat([Buffer.from('[[],'), deep, Buffer.from(',{}]')])).input),
    ).toBe(true)
  })

  it('throws nothing but MessageError, for any properties, headers and bytes', () => {
    const names = [
      ...['task', 'id', 'root_id', 'parent_id', 'group', 'retries', 'eta', 'expires', 'timelimit', 'origin'],
      ...['compression', 'traceparent', 'tracestate', 'lang', '__proto__', 'toString'],
    ]
    const anything = fc.oneof(
      fc.anything({ withBigInt: true, withDate: true, withTypedArray: true, withNullPrototype: true }),
      fc.string().map((value) => Buffer.from(value)),
      fc.constant({ '!': 'timestamp', value: 1 }),
      date.map((value) => value.toISOString()),
    )
    const headers = fc.oneof(
      anything,
      fc.dictionary(fc.constantFrom(...names), anything),
      fc
        .dictionary(fc.constantFrom(...names.slice(2)), anything)
        .map((some): Record<string, unknown> => ({ ...some, task: 'a.b', id: 'i' })),
    )
    const signature = fc.oneof(
      json,
      fc.record({ task: fc.constantFrom('a.b', 'celery.chord', 7), options: json, kwargs: json, subtask_type: json }),
      fc.record({
        task: fc.constant('celery.chain'),
        subtask_type: fc.constantFrom('chain', 'group', 'chord'),
        kwargs: fc.record({ tasks: fc.array(json), header: json, body: json }),
      }),
    )
    const bytes = fc.oneof(
      fc.uint8Array().map((value) => Buffer.from(value)),
      fc.json().map((value) => Buffer.from(value)),
      fc.tuple(json, json, json).map((value) => Buffer.from(JSON.stringify(value))),
      fc
        .tuple(fc.array(json), json, fc.dictionary(fc.constantFrom('callbacks', 'chain', 'chord'), signature))
        .map((value) => Buffer.from(JSON.stringify(value))),
    )
    const properties = fc.record({
      contentType: fc.oneof({ weight: 5, arbitrary: fc.constant('application/json') }, anything),
      contentEncoding: fc.oneof({ weight: 5, arbitrary: fc.constant('utf-8') }, anything),
      replyTo: fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, anything),
      headers,
    })
    fc.assert(
      fc.property(properties, bytes, (someProperties, content) => {
        try {
          decode(someProperties, content)
        } catch (error) {
          expect(error).toBeInstanceOf(MessageError)
          expect((error as MessageError).message.length).toBeLessThan(1000)
        }
      }),
      { numRuns: 1000 },
    )
  })
})
