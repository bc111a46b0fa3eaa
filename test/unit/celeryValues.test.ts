import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MessageError } from '../../src/errors/index.js'
import { parseJson } from '../../src/wire/celeryValues.js'
import { decode } from '../../src/wire/envelope.js'
import { decodeResult } from '../../src/wire/resultFormat.js'

const parse = (text: string): unknown => parseJson('The text', text)
const typed = (text: string): unknown => parseJson('The text', text, { typed: true })

describe('A number arrives as itself or is refused', () => {
  it.each([
    '9007199254740993',
    '-9007199254740993',
    '{"a":{"b":[1,2,12345678901234567890123]}}',
    '1e400',
    '100000000000000000000000',
    '-1E+999',
    '1e-400',
    `1${'0'.repeat(400)}`,
    '{"9007199254740993":9007199254740993}',
    '["\\"", 9007199254740993]',
    '["\\\\", 18446744073709551615]',
  ])('refused: %s', (text) => {
    expect(() => parse(text)).toThrow(MessageError)
    expect(() => parse(text)).toThrow(
      /The text holds the number -?\d.*which JavaScript cannot hold: send it as a string/,
    )
  })

  it.each([
    ['9007199254740992', 2 ** 53],
    ['18014398509481984', 2 ** 54],
    ['12345678901234567000', 12345678901234567000],
    ['1208925819614629174706176', 2 ** 80],
    ['0.1000000000000000055511151231257827', 0.1],
    ['1.7976931348623157e308', Number.MAX_VALUE],
    ['5e-324', 5e-324],
    ['0e-999', 0],
    ['-0', -0],
  ])('taken: %s', (text, value) => {
    expect(parse(text)).toBe(value)
  })

  it('wherever a text looks like one', () => {
    expect(parse('{"id":"9007199254740993","9007199254740993":"\\"9007199254740993\\\\"}')).toEqual({
      id: '9007199254740993',
      '9007199254740993': '"9007199254740993\\',
    })
  })

  it('whatever JavaScript writes is read', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value)
        expect(parse(text)).toEqual(JSON.parse(text))
      }),
      { numRuns: 500 },
    )
  })

  it('of any integer', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), (integer) => {
        try {
          const value = parse(String(integer)) as number
          expect(String(value) === String(integer) || BigInt(value) === integer).toBe(true)
        } catch (error) {
          expect(error).toBeInstanceOf(MessageError)
        }
      }),
    )
  })

  it('in a message and in a result', () => {
    const body = Buffer.from('[[], {"orderId": 9007199254740993}, {}]')
    const properties = { contentType: 'application/json', headers: { lang: 'py', task: 'a.b', id: 'i' } }
    expect(() => decode(properties, body)).toThrow(/The body holds the number 9007199254740993/)
    expect(() => decodeResult('{"status":"SUCCESS","result":9007199254740993,"task_id":"i"}')).toThrow(
      /9007199254740993/,
    )
  })
})

describe('What kombu writes for Python’s own types is read as plain values', () => {
  const of = (type: string, value: unknown): string => JSON.stringify({ __type__: type, __value__: value })

  it.each([
    ['datetime', '2026-11-24T10:52:21.123456+00:00', '2026-11-24T10:52:21.123456+00:00'],
    ['date', '2026-11-24', '2026-11-24'],
    ['time', '10:52:21', '10:52:21'],
    ['decimal', '12.50', '12.50'],
    ['decimal', 'NaN', 'NaN'],
    ['uuid', { hex: '6f1f2a4e3f9c4b7e9f370d2f6d6b1a01', version: 4 }, '6f1f2a4e-3f9c-4b7e-9f37-0d2f6d6b1a01'],
    ['uuid', { hex: '6f1f2a4e3f9c4b7e9f370d2f6d6b1a01' }, '6f1f2a4e-3f9c-4b7e-9f37-0d2f6d6b1a01'],
    ['bytes', 'Grüße', Buffer.from('Grüße').toString('base64')],
    ['base64', '/w==', '/w=='],
  ])('%s %j', (type, value, plain) => {
    expect(typed(of(type, value))).toBe(plain)
    expect(typed(`{"list":[${of(type, value)}],"__proto__":${of(type, value)}}`)).toEqual(
      JSON.parse(JSON.stringify({ list: [plain] }).replace('}', `,"__proto__":${JSON.stringify(plain)}}`)),
    )
  })

  it.each([
    ['a type of the application', of('money', { amount: 1 })],
    ['one that is not whole', of('uuid', { hex: 'abc' })],
    ['one of the wrong kind', of('datetime', 17)],
    ['more than the two keys', '{"__type__":"date","__value__":"2026-11-24","more":1}'],
    ['only the type', '{"__type__":"date"}'],
    ['a type that is no text', '{"__type__":1,"__value__":"2026-11-24"}'],
  ])('and what is not: %s', (_what, text) => {
    expect(typed(text)).toEqual(JSON.parse(text))
  })

  it('in messages and results of Python, and not in those of Warren', () => {
    const value = of('uuid', { hex: '6f1f2a4e3f9c4b7e9f370d2f6d6b1a01', version: 4 })
    const input = (lang: string) =>
      decode(
        { contentType: 'application/json', headers: { lang, task: 'a.b', id: 'i' } },
        Buffer.from(`[[], {"customer": ${value}}, {}]`),
      ).input
    expect(input('py')).toEqual({ customer: '6f1f2a4e-3f9c-4b7e-9f37-0d2f6d6b1a01' })
    expect(input('js')).toEqual({ customer: JSON.parse(value) })
    const result = (end: string) => decodeResult(`{"status":"SUCCESS","result":${value},"task_id":"i"${end}}`).result
    expect(result('')).toBe('6f1f2a4e-3f9c-4b7e-9f37-0d2f6d6b1a01')
    expect(result(',"attempt":1,"run":0')).toEqual(JSON.parse(value))
  })

  it('or refused, when it is nested deeper than any stack', () => {
    const deep = `${'['.repeat(100_000)}${of('date', '2026-11-24')}${']'.repeat(100_000)}`
    expect(() => typed(deep)).toThrow(MessageError)
  })
})

describe('The headers of a run and of ignore_result', () => {
  const read = (headers: Record<string, unknown>) =>
    decode(
      { contentType: 'application/json', headers: { task: 'a.b', id: 'i', ...headers } },
      Buffer.from('[[], {}, {}]'),
    )

  it('are read as Celery means them', () => {
    expect(read({})).toMatchObject({ run: 0, ignoreResult: false })
    expect(read({ 'x-warren-run': 1_800_000_000_000, ignore_result: true })).toMatchObject({
      run: 1_800_000_000_000,
      ignoreResult: true,
    })
    for (const falsy of [false, null, 0, '']) expect(read({ ignore_result: falsy }).ignoreResult).toBe(false)
  })

  it.each([
    ['text', '7'],
    ['a table', { toString: 1 }],
    ['negative', -1],
    ['too large', 2 ** 60],
    ['NaN', Number.NaN],
  ])('a run that is %s is refused', (_what, run) => {
    expect(() => read({ 'x-warren-run': run })).toThrow(MessageError)
  })

  it.each([
    'task',
    'id',
    'root_id',
    'parent_id',
    'group',
    'retries',
    'eta',
    'expires',
    'timelimit',
    'origin',
    'compression',
  ])('a table as %s is undecodable and throws nothing else', (name) => {
    for (const poison of [{ toString: 1 }, { toString: null, valueOf: 2 }, Object.create(null), [{ toString: 1 }]]) {
      expect(() => read({ [name]: poison })).toThrow(MessageError)
    }
  })
})
