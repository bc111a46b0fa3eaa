import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { checkOptions, connect, defineTask, didYouMean, is } from '../../src/index.js'
import { settleOptions } from '../../src/options.js'

describe('An option error', () => {
  it.each([
    [0, '0'],
    [Number.NaN, 'NaN'],
    [1n, '1n'],
    ['x', '"x"'],
    [null, 'null'],
    [{ deep: { secret: 1 } }, 'an object'],
    [[1, 'a'], '[a number, a string]'],
    [new Map(), 'an object of class Map'],
    [() => 1, 'a function'],
    [new Date(Number.NaN), 'an invalid Date'],
    ['amqp://user:s3cret@host', '"amqp://…@host"'],
  ])('shows what came: %s', (value, got) => {
    expect(() => checkOptions('here', { prefetch: value }, { prefetch: is.integer(1) })).toThrow(
      `here: expected \`prefetch\` to be an integer ≥ 1, got: ${got}`,
    )
  })

  const address = 'amqp://user:s3cret@host:5672'
  class Client {
    readonly options = { password: 's3cret' }
  }
  const cyclic: { password: string; self?: unknown } = { password: 's3cret' }
  cyclic.self = cyclic
  it.each([
    ['an address beside something else', { broker: [address, undefined] }],
    ['a list in a list', { broker: [[address]] }],
    ['an address of another kind', { broker: { url: address } }],
    ['a client as broker', { broker: new Client() }],
    ['a logger that holds it', { broker: address, logger: cyclic }],
    ['a misspelled option', { brokr: address }],
    ['an address in the wrong place', { broker: address, name: [address], heartbeatSeconds: address }],
    ['an address in place of the options', address],
    ['a list in place of the options', [address]],
    ['a store without a host', { broker: 'amqp://host', results: 'redis:s3cret' }],
  ])('never shows a password: %s', async (_what, options) => {
    const error = await connect(options as never).catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'INVALID_OPTIONS' })
    expect(JSON.stringify([String(error), error, (error as Error).stack])).not.toContain('s3cret')
  })

  it.each([
    ['retries', ['name', 'retry', 'timeoutMs'], 'retry'],
    ['attempts', ['maxAttempts', 'backoff'], 'maxAttempts'],
    ['timeout', ['retry', 'timeoutMs'], 'timeoutMs'],
    ['concurency', ['concurrency', 'prefetch'], 'concurrency'],
    ['queueType', ['queue', 'name'], 'queue'],
  ])('%s: did you mean', (word, known, meant) => {
    expect(didYouMean(word, known)).toBe(`, did you mean \`${meant}\`?`)
  })
  it('suggests nothing where nothing is near', () => {
    expect(didYouMean('colour', ['retry', 'queue', 'name'])).toBe('')
  })
  it('of defineTask suggests retry for retries', () => {
    expect(() => defineTask({ name: 'a.b', input: z.string(), retries: 3 } as never)).toThrow(/did you mean `retry`/)
  })
})

it('undefined counts as left out', () => {
  const given: { a?: number | undefined; b?: number | undefined } = { a: undefined, b: 2 }
  expect(settleOptions('here', given, { a: is.integer(1), b: is.integer(1) }, { a: 1, b: 1 })).toEqual({ a: 1, b: 2 })
})

describe('Options that cannot be read', () => {
  const secret = 's3cret'
  const broken = (): never => {
    throw new Error(secret)
  }
  const throwing = (key: string): object => Object.defineProperty({}, key, { get: broken, enumerable: true })
  it.each([
    ['a getter that throws', throwing('broker')],
    ['a proxy that throws', new Proxy({}, { ownKeys: broken })],
    ['a list that throws', { broker: new Proxy(['amqp://host'], { get: broken }) }],
    ['a client that throws', { broker: 'amqp://host', results: new Proxy({}, { get: broken }) }],
    ['a client of which the options throw', { broker: 'amqp://host', results: clientLike(throwing('keyPrefix')) }],
    ['a client whose duplicate() throws', { broker: 'amqp://host', results: clientLike({}, broken) }],
    ['a client whose duplicate() is none', { broker: 'amqp://host', results: clientLike({}, () => ({})) }],
    ['a cluster client without nodes', { broker: 'amqp://host', results: { ...clientLike({}), isCluster: true } }],
    ['a text as logger', { broker: 'amqp://host', logger: secret }],
  ])('are an OptionsError that shows nothing of them: %s', async (_what, options) => {
    const error = await connect(options as never).catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'INVALID_OPTIONS' })
    expect(inspect(error, { depth: 5 })).not.toContain(secret)
  })
  it.each([
    ['nothing', undefined],
    ['a name whose getter throws', throwing('name')],
    ['a schema without validate', { name: 'a.b', input: { '~standard': null } }],
    ['a schema that throws when it is looked at', { name: 'a.b', input: new Proxy({}, { get: broken, has: broken }) }],
  ])('of defineTask: %s', (_what, options) => {
    expect(() => defineTask(options as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTIONS' }))
  })
})

const clientLike = (options: object, duplicate: () => unknown = () => ({})) => ({
  isCluster: false,
  options,
  duplicate,
})

it('options may be an object of a class with getters, each read once', () => {
  let reads = 0
  class Config {
    get b(): number {
      reads++
      return 7
    }
  }
  expect(settleOptions('here', new Config(), { b: is.integer(1) }, { b: 1 })).toEqual({ b: 7 })
  expect(reads).toBe(1)
})
