import { createContext, runInContext, runInThisContext } from 'node:vm'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import * as here from '../../src/errors/index.js'
import { isAbortSignal, isError, isThenable } from '../../src/kinds.js'
import { is } from '../../src/options.js'

type Errors = typeof here

const classes = (errors: Errors): [string, abstract new (...given: never) => Error][] =>
  Object.entries(errors).filter((each): each is [string, never] => /^[A-Z]/.test(each[0]))

describe('An error of another copy of the package', () => {
  let other: Errors

  beforeAll(async () => {
    vi.resetModules()
    other = await import('../../src/errors/index.js')
  })

  it('is another class', () => {
    expect(other.Reject).not.toBe(here.Reject)
  })

  it.each(classes(here))('%s is recognized by instanceof, and by no other class', (name, ofClass) => {
    const theirs = Object.create((other[name as keyof Errors] as typeof here.WarrenError).prototype)
    expect(theirs).toBeInstanceOf(ofClass)
    for (const [another, anotherClass] of classes(here)) {
      const expected = another === name || (another === 'WarrenError' && name !== 'Reject')
      expect(theirs instanceof anotherClass, `${name} instanceof ${another}`).toBe(expected)
    }
  })

  it('is recognized where it is of a subclass', () => {
    class NotFound extends other.Reject {}
    expect(new NotFound('no invoice')).toBeInstanceOf(here.Reject)
  })

  it('is not taken for a subclass', () => {
    class Mine extends here.Reject {}
    expect(new other.Reject('no')).not.toBeInstanceOf(Mine)
    expect(new Mine('no')).toBeInstanceOf(Mine)
    expect(new Mine('no')).toBeInstanceOf(here.Reject)
  })

  it('is none where only the name is the same, and asking never throws', () => {
    expect(Object.assign(new Error('no'), { name: 'Reject' })).not.toBeInstanceOf(here.Reject)
    const revoked = Proxy.revocable({}, {})
    revoked.revoke()
    for (const value of [undefined, null, 1, 'Reject', Symbol('Reject'), {}, revoked.proxy, () => 1]) {
      expect(value instanceof here.Reject).toBe(false)
    }
  })

  it('keeps its name, whatever a minifier makes of its class', () => {
    for (const [name, ofClass] of classes(here)) expect(ofClass.name).toBe(name)
    expect(new here.OptionsError('connect', []).name).toBe('OptionsError')
  })
})

describe('A value of another realm', () => {
  const realm = createContext({ AbortController })
  const made = (code: string): unknown => runInContext(code, realm)

  it('is an error, with its text', () => {
    const error = made('new RangeError("too large")')
    expect(error instanceof Error).toBe(false)
    expect(isError(error)).toBe(true)
    expect(here.textOf(error)).toBe('too large')
    expect(here.textOf(made('new AggregateError([new Error("one"), new Error("two")])'))).toBe('one, two')
  })

  it('is a promise, a date, a signal', () => {
    expect(isThenable(made('Promise.resolve()'))).toBe(true)
    expect(is.date(made('new Date()'))).toBeUndefined()
    expect(is.date(made('new Date(NaN)'))).toBeDefined()
    const listening = 'addEventListener() {}, removeEventListener() {}'
    const signal = runInThisContext(`(Signal) => Object.create({ aborted: false, ${listening} })`)()
    expect(isAbortSignal(signal)).toBe(true)
    expect(isAbortSignal({ aborted: false })).toBe(false)
    expect(isAbortSignal({ aborted: false, addEventListener() {} })).toBe(false)
  })
})
