/** Whatever a stranger's code throws is described, and describing it never throws. */
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { describeThrown, shortened } from '../../src/errors/error.js'
import { fromWire, toWire } from '../../src/isolate/protocol.js'

const refuse = (): never => {
  throw new Error('not readable')
}
const unreadable = (...keys: string[]): Error =>
  Object.defineProperties(new Error('it failed'), Object.fromEntries(keys.map((key) => [key, { get: refuse }])))
const proxy = new Proxy(new Error('behind it'), {
  get: refuse,
  has: refuse,
  getPrototypeOf: refuse,
  ownKeys: refuse,
  getOwnPropertyDescriptor: refuse,
})
const revoked = Proxy.revocable({}, {})
revoked.revoke()
const circular = new Error('round')
circular.cause = circular

describe('Anything thrown is described', () => {
  it.each<[string, unknown, { errorClass?: string; message?: unknown }]>([
    ['an error', new RangeError('too far'), { errorClass: 'RangeError', message: 'too far' }],
    ['an error of another realm', runInNewContext('new TypeError("odd")'), { errorClass: 'TypeError', message: 'odd' }],
    ['an error whose message throws', unreadable('message'), { errorClass: 'Error', message: 'Error' }],
    ['an error whose name and stack throw', unreadable('stack', 'name'), { errorClass: 'Error', message: 'it failed' }],
    ['an error whose constructor throws', unreadable('name', 'constructor'), { message: 'it failed' }],
    ['an error whose name is no text', Object.assign(new Error('a'), { name: 42 }), { errorClass: 'Error' }],
    [
      'an error whose message is no text',
      Object.assign(new Error('a'), { message: { b: 1 } }),
      { message: /\{ b: 1 \}/ },
    ],
    [
      'an error whose message is a symbol',
      Object.assign(new Error('a'), { message: Symbol('s') }),
      { message: /Symbol/ },
    ],
    ['an error whose stack is no text', Object.assign(new Error('a'), { stack: [1] }), { message: 'a' }],
    ['an error that is its own cause', circular, { message: 'round' }],
    ['a proxy that refuses everything', proxy, { errorClass: 'Error', message: expect.any(String) }],
    ['a revoked proxy', revoked.proxy, { errorClass: 'Error', message: expect.any(String) }],
    ['an object without a prototype', Object.assign(Object.create(null), { code: 7 }), { message: /code: 7/ }],
    ['an object with a hostile toString', { toString: refuse }, { message: /toString/ }],
    ['an object with a hostile toJSON', { toJSON: refuse, code: 'E1' }, { message: /E1/ }],
    [
      'an object that inspects itself',
      { [Symbol.for('nodejs.util.inspect.custom')]: refuse },
      { message: /object|\{/ },
    ],
    ['a plain object', { status: 503 }, { errorClass: 'Error', message: '{ status: 503 }' }],
    ['an object with a text', { name: 'GrpcError', message: 'away' }, { errorClass: 'GrpcError', message: 'away' }],
    ['an empty AggregateError', new AggregateError([]), { message: 'AggregateError' }],
    ['an AggregateError', new AggregateError([new Error('a'), 'b']), { message: 'a, b' }],
    ['nothing', undefined, { errorClass: 'Error', message: 'undefined' }],
    ['a symbol', Symbol('s'), { message: 'Symbol(s)' }],
    ['a BigInt', 1n, { message: '1' }],
    ['a function', () => 1, { message: '() => 1' }],
  ])('%s', (_what, thrown, { errorClass, message }) => {
    const described = describeThrown(thrown)
    if (errorClass !== undefined) expect(described.errorClass).toBe(errorClass)
    if (message instanceof RegExp) expect(described.message).toMatch(message)
    else if (message !== undefined) expect(described.message).toEqual(message)
    expect(['string', 'undefined']).toContain(typeof described.traceback)
    // And it reaches the worker from an isolate, as the same.
    expect(fromWire(structuredClone(toWire(thrown)))).toMatchObject({ name: described.errorClass })
  })

  it('in texts of limited length, whatever it holds', () => {
    const long = 'x'.repeat(1_000_000)
    const error = Object.assign(new Error(long), { name: long, code: long })
    const { errorClass, message, traceback = '' } = describeThrown(error)
    expect(errorClass.length).toBeLessThanOrEqual(200)
    expect(message.length).toBeLessThanOrEqual(10_000)
    expect(traceback.length).toBeLessThanOrEqual(20_000)
    expect(describeThrown(new AggregateError(Array(1_000).fill(error), '')).message.length).toBeLessThanOrEqual(10_000)
    expect(describeThrown({ long, deep: { long } }).message.length).toBeLessThanOrEqual(10_000)
    expect(JSON.stringify(toWire(error)).length).toBeLessThan(40_000)
  })

  it('and never throws', () => {
    fc.assert(
      fc.property(
        fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true, withMap: true }),
        (thrown) => {
          const { errorClass, message } = describeThrown(thrown)
          expect(errorClass).not.toBe('')
          expect(typeof message).toBe('string')
        },
      ),
    )
  })
})

it('A shortened text ends with a whole character', () => {
  expect(shortened('abcdef', 4)).toBe('abc…')
  expect(shortened('ab👍cd', 4)).toBe('ab…')
  expect(shortened('abcd', 4)).toBe('abcd')
})
