import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { defineTask, type Handler, type HandlerOf, Reject } from '../../src/index.js'
import { type IsolatedHandler, IsolatePool } from '../../src/isolate/isolatePool.js'
import { cloning, fromWire, toWire } from '../../src/isolate/protocol.js'

describe('What makes no isolated handler is refused where it is registered', () => {
  const register = (options: unknown) => () =>
    new IsolatePool().handler('image.photo.resize', options as IsolatedHandler)
  const module = new URL(import.meta.url)

  it.each([
    ['no module', { isolation: 'thread' }, 'expected `module` to be given'],
    ['no isolation', { module }, 'expected `isolation` to be given'],
    ['an unknown isolation', { module, isolation: 'container' }, "expected `isolation` to be 'thread' or 'process'"],
    ['an unknown option', { module, isolation: 'thread', exports: 'run' }, 'did you mean `export`?'],
    ['a relative path', { module: './resize.js', isolation: 'thread' }, 'a file: URL, got: ./resize.js'],
    ['another scheme', { module: new URL('https://example.org/x.js'), isolation: 'thread' }, 'a file: URL'],
    ['a file that is not there', { module: new URL('./none.js', module), isolation: 'thread' }, 'a file that exists'],
  ])('%s', (_what, options, message) => {
    expect(register(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTIONS' }))
    expect(register(options)).toThrow(message)
  })

  it('and what makes one starts nothing yet', async () => {
    const isolates = new IsolatePool()
    expect(isolates.handler('image.photo.resize', { module, isolation: 'process' })).toBeTypeOf('function')
    await isolates.close()
  })
})

describe('An error on its way out of an isolate', () => {
  it('keeps its name, text, stack and code', () => {
    const error = Object.assign(new RangeError('too far'), { code: 'E_FAR' })
    const copy = fromWire(structuredClone(toWire(error)))
    expect(copy).toBeInstanceOf(Error)
    expect(copy).toMatchObject({ name: 'RangeError', message: 'too far', stack: error.stack, code: 'E_FAR' })
    expect(Object.keys(copy)).toEqual(['code'])
  })

  it('stays a Reject, whoever made it', () => {
    class Reject2 extends Error {
      override name = 'Reject'
    }
    expect(fromWire(toWire(new Reject('no')))).toBeInstanceOf(Reject)
    expect(fromWire(toWire(new Reject2('no')))).toBeInstanceOf(Reject)
  })

  it.each([['text'], [undefined], [Object.create(null)], [Symbol('odd')]])('that is no error becomes one', (thrown) => {
    expect(fromWire(structuredClone(toWire(thrown)))).toMatchObject({ name: 'Error', message: expect.any(String) })
  })
})

it('What cannot be cloned is named', () => {
  const post = () => void structuredClone({ fn() {} })
  expect(() => cloning('the input of a.b', post)).toThrow(expect.objectContaining({ code: 'NOT_CLONEABLE' }))
  expect(() => cloning('the input of a.b', post)).toThrow('the input of a.b is none')
  const other = new Error('something else')
  expect(() =>
    cloning('it', () => {
      throw other
    }),
  ).toThrow(other)
})

it('HandlerOf is the type of a task’s handler', () => {
  const task = defineTask({
    name: 'image.photo.resize',
    input: z.object({ width: z.string().transform(Number) }),
    output: z.object({ bytes: z.number() }),
  })
  expectTypeOf<HandlerOf<typeof task>>().toEqualTypeOf<Handler<{ width: number }, { bytes: number }>>()
})
