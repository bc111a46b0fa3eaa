import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { defineTask, type Handler, type HandlerOf, Reject } from '../../src/index.js'
import { Isolate } from '../../src/isolate/isolate.js'
import { type IsolatedHandler, IsolatePool, loadable } from '../../src/isolate/isolatePool.js'
import { cloning, fromWire, type Job, toWire } from '../../src/isolate/protocol.js'
import { silentLogger } from '../../src/task/logger.js'

describe('What makes no isolated handler is refused where it is registered', () => {
  const register = (options: unknown) => () =>
    new IsolatePool().handler('image.photo.resize', options as IsolatedHandler)
  const module = new URL('../support/isolated.mjs', import.meta.url)

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

  it('a folder', () => {
    expect(register({ module: new URL('.', module), isolation: 'thread' })).toThrow('a file that exists')
  })

  const tsx = ['--require', '/x/preflight.cjs', '--import', 'file:///x/loader.mjs']
  it.each<[string, string, 'thread' | 'process', object, RegExp | undefined]>([
    ['JavaScript', 'a.js', 'thread', {}, undefined],
    ['a module of JavaScript', 'a.mjs', 'process', {}, undefined],
    ['TypeScript in a thread', 'a.ts', 'thread', {}, /start the worker with a loader/],
    ['TypeScript in a thread under tsx', 'a.ts', 'thread', { execArgv: tsx }, /tsx does not apply to threads/],
    ['TypeScript in a process', 'a.mts', 'process', {}, /start the worker with a loader/],
    ['TypeScript in a process under tsx', 'a.ts', 'process', { execArgv: tsx }, undefined],
    [
      'TypeScript in a process, a loader in NODE_OPTIONS',
      'a.ts',
      'process',
      { env: { NODE_OPTIONS: '--import=tsx' } },
      undefined,
    ],
    ['TypeScript where Node loads it', 'a.cts', 'thread', { features: { typescript: 'strip' } }, undefined],
    ['JSX where Node loads TypeScript', 'a.tsx', 'thread', { features: { typescript: 'strip' } }, /Compile it/],
  ])('%s', (_what, path, isolation, given, remedy) => {
    const said = loadable(path, isolation, { features: {}, execArgv: [], env: {}, ...given } as never)
    if (remedy === undefined) expect(said).toBeUndefined()
    else expect(said).toMatch(remedy)
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
    class NotFound extends Reject {
      override name = 'NotFound'
    }
    expect(fromWire(toWire(new Reject('no')))).toBeInstanceOf(Reject)
    const notFound = fromWire(structuredClone(toWire(new NotFound('no invoice'))))
    expect(notFound).toBeInstanceOf(Reject)
    expect(notFound.name).toBe('NotFound')
    expect(fromWire(toWire(new Reject2('no')))).toBeInstanceOf(Reject)
  })

  it.each([['text'], [undefined], [Object.create(null)], [Symbol('odd')]])('that is no error becomes one', (thrown) => {
    expect(fromWire(structuredClone(toWire(thrown)))).toMatchObject({ name: 'Error', message: expect.any(String) })
  })
})

it('What cannot be cloned is named', () => {
  const post = () => void structuredClone({ fn() {} })
  expect(() => cloning('the input of a.b', post)).toThrow(expect.objectContaining({ code: 'NOT_CLONEABLE' }))
  expect(() => cloning('the input of a.b', post)).toThrow('the input of a.b cannot be cloned')
  const getter = () => void structuredClone(Object.defineProperty({}, 'a', { enumerable: true, get: refuse }))
  expect(() => cloning('the input of a.b', getter)).toThrow(expect.objectContaining({ code: 'NOT_CLONEABLE' }))
  // The other side is gone: that is no fault of the value.
  const closed = Object.assign(new Error('channel closed'), { code: 'ERR_IPC_CHANNEL_CLOSED' })
  expect(() =>
    cloning('it', () => {
      throw closed
    }),
  ).toThrow(closed)
})

const refuse = (): never => {
  throw new Error('no')
}

it('HandlerOf is the type of a task’s handler', () => {
  const task = defineTask({
    name: 'image.photo.resize',
    input: z.object({ width: z.string().transform(Number) }),
    output: z.object({ bytes: z.number() }),
  })
  expectTypeOf<HandlerOf<typeof task>>().toEqualTypeOf<Handler<{ width: number }, { bytes: number }>>()
})

describe.each(['thread', 'process'] as const)('An isolate, as a %s,', (isolation) => {
  const job: Job = {
    module: 'file:///none.js',
    exportName: 'default',
    input: {},
    attempt: { id: 'i', task: 'a.b', number: 1, redelivered: false, fence: undefined },
  }
  const attempt = { ...job.attempt, signal: new AbortController().signal, log: silentLogger, progress: async () => {} }

  it('hears only what is meant for the worker, whatever its handler’s module sends', async () => {
    const isolate = new Isolate(isolation, new URL('../support/chattingIsolate.mjs', import.meta.url))
    await expect(isolate.run(job, attempt)).resolves.toBe('the answer')
    isolate.kill()
    isolate.kill()
    await isolate.gone
    expect(isolate.dead).toBe(true)
  })

  it('settles what cannot even be handed over', async () => {
    const isolate = new Isolate(isolation, new URL('../support/chattingIsolate.mjs', import.meta.url))
    const input = Object.defineProperty({}, 'a', { enumerable: true, get: refuse })
    await expect(isolate.run({ ...job, input }, attempt)).rejects.toMatchObject({ code: 'NOT_CLONEABLE' })
    isolate.kill()
    await isolate.gone
  })
})
