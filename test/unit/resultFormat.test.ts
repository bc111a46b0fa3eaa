import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MessageError, OutputError } from '../../src/errors/index.js'
import {
  decodeResult,
  encodeFailure,
  encodeProgress,
  encodeRetry,
  encodeRevoked,
  encodeStarted,
  encodeSuccess,
  isFinal,
  type StoredResult,
} from '../../src/wire/resultFormat.js'

/** Written by Python's Celery: test/support/python/fixtures.py. */
const fromPython = (
  JSON.parse(readFileSync(new URL('../support/fixtures/celery-results.json', import.meta.url), 'utf8')) as {
    results: readonly { readonly why: string; readonly text: string }[]
  }
).results

const id = '6f1f2a4e-3f9c-4b7e-9f37-0d2f6d6b1a01'
const doneAt = new Date('2026-11-24T10:52:21.123Z')

/** JSON has no negative zero. */
const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown)
const speaker = { id: fc.string({ minLength: 1 }), attempt: fc.integer({ min: 1 }), run: fc.nat(Date.UTC(2100)) }
const instant = fc.option(fc.integer({ min: 1, max: Date.UTC(2100) }), { nil: undefined })
const dateOf = (ms: number | undefined): Date | undefined => (ms === undefined ? undefined : new Date(ms))
const date = fc.date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
const error = fc.record({
  errorClass: fc.constantFrom('Error', 'TypeError', 'MyError_2', 'Größe'),
  message: fc.string({ unit: 'grapheme' }),
  traceback: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
})

describe('a stored result', () => {
  it('of a success is read back as it was', () => {
    fc.assert(
      fc.property(
        fc.record({ ...speaker, queued: instant, started: instant, output: json, doneAt: date }),
        ({ output, queued, started, ...rest }) => {
          const text = encodeSuccess({ ...rest, queued, started, output, task: 'a.b' })
          expect(decodeResult(text)).toEqual({
            ...rest,
            status: 'SUCCESS',
            result: output,
            task: 'a.b',
            queuedAt: dateOf(queued),
            startedAt: dateOf(started),
          })
        },
      ),
    )
  })

  it('of a failure, a retry and a revocation is read back as it was', () => {
    fc.assert(
      fc.property(fc.record({ ...speaker, error, doneAt: date }), (failure) => {
        expect(decodeResult(encodeFailure(failure))).toEqual({ ...failure, status: 'FAILURE' })
        const { doneAt: at, error: cause, ...rest } = failure
        expect(decodeResult(encodeRetry(failure))).toEqual({ ...rest, error: cause, status: 'RETRY' })
        expect(decodeResult(encodeRevoked({ ...rest, doneAt: at, reason: cause.message }))).toEqual({
          ...rest,
          doneAt: at,
          status: 'REVOKED',
          error: { errorClass: 'TaskRevokedError', message: cause.message, traceback: undefined },
        })
      }),
    )
  })

  it('of an attempt under way is read back as it was', () => {
    expect(decodeResult(encodeStarted({ id, attempt: 2, run: 0, pid: 42, hostname: 'h' }))).toEqual({
      id,
      attempt: 2,
      run: 0,
      status: 'STARTED',
      result: { pid: 42, hostname: 'h' },
    })
    expect(decodeResult(encodeProgress({ id, attempt: 1, run: 0, task: 'a.b', progress: 0.5 }))).toEqual({
      id,
      attempt: 1,
      run: 0,
      task: 'a.b',
      status: 'PROGRESS',
      result: 0.5,
    })
  })

  it('has exactly the keys of Celery and ours, the attempt and the run last', () => {
    const times = { queued: 1_700_000_000_000, started: 1_700_000_000_001 }
    const text = encodeSuccess({ id, attempt: 1, run: 0, task: 'a.b', ...times, output: undefined, doneAt })
    expect(text).toMatch(/"queued":1700000000000,"started":1700000000001,"attempt":1,"run":0}$/)
    expect(JSON.parse(text)).toEqual({
      status: 'SUCCESS',
      result: null,
      traceback: null,
      children: [],
      date_done: '2026-11-24T10:52:21.123000+00:00',
      task_id: id,
      name: 'a.b',
      ...times,
      attempt: 1,
      run: 0,
    })
  })

  it('refuses an output that JSON cannot carry', () => {
    for (const output of [1n, () => 1, Symbol('s')]) {
      expect(() => encodeSuccess({ id, attempt: 1, run: 0, task: 'a.b', output, doneAt })).toThrow(OutputError)
    }
  })

  it('names no class that Python cannot make', () => {
    const named = (errorClass: string) =>
      decodeResult(
        encodeFailure({ id, attempt: 1, run: 0, doneAt, error: { errorClass, message: '', traceback: undefined } }),
      ).error?.errorClass
    expect(named('a\0b\ud800 c')).toBe('a_b__c')
    expect(named('')).toBe('Error')
  })

  it('is final when nothing will follow', () => {
    const statuses = ['PENDING', 'RECEIVED', 'STARTED', 'PROGRESS', 'RETRY', 'SUCCESS', 'FAILURE', 'REVOKED', 'OWN']
    expect(statuses.filter(isFinal)).toEqual(['SUCCESS', 'FAILURE', 'REVOKED'])
  })
})

describe('a result that Python wrote', () => {
  const expected: Readonly<Record<string, Partial<StoredResult>>> = {
    'an object': { status: 'SUCCESS', result: { invoiceId: 'i1' }, doneAt },
    None: { status: 'SUCCESS', result: null, doneAt },
    'a builtin exception': {
      status: 'FAILURE',
      error: {
        errorClass: 'ValueError',
        message: 'no such customer',
        traceback: 'Traceback …\nValueError: no such customer',
      },
      doneAt,
    },
    'an own exception of two arguments': {
      status: 'FAILURE',
      error: { errorClass: 'PaymentError', message: 'declined, 51', traceback: 'Traceback …' },
      doneAt,
    },
    'an exception without arguments': {
      status: 'FAILURE',
      error: { errorClass: 'KeyError', message: '', traceback: undefined },
      doneAt,
    },
    'a retry': { status: 'RETRY', error: { errorClass: 'ValueError', message: 'later', traceback: 'Traceback …' } },
    revoked: {
      status: 'REVOKED',
      error: { errorClass: 'TaskRevokedError', message: 'expired', traceback: undefined },
      doneAt,
    },
    started: { status: 'STARTED', result: { pid: 42, hostname: 'celery@fixture' } },
    progress: { status: 'PROGRESS', result: { current: 1, total: 3 } },
  }

  it.each(fromPython)('is read: $why', ({ why, text }) => {
    expect(decodeResult(text)).toEqual({ id, ...expected[why] })
  })
})

describe('decodeResult', () => {
  it.each([
    ['no JSON', 'oops', /not JSON/],
    ['no object', '[1]', /to be an object, got: a list of 1/],
    ['no id', '{"status":"SUCCESS"}', /task_id .*got: nothing/],
    ['no status', '{"task_id":"i","status":5}', /status .*"i" .*got: 5/],
  ])('refuses what is no result: %s', (_, text, sentence) => {
    expect(() => decodeResult(text)).toThrow(MessageError)
    expect(() => decodeResult(text)).toThrow(sentence)
  })

  it('takes a failure whose exception is told in another way', () => {
    const read = (result: unknown) => decodeResult(JSON.stringify({ task_id: 'i', status: 'FAILURE', result })).error
    expect(read('boom')).toEqual({ errorClass: 'Error', message: 'boom', traceback: undefined })
    expect(read(null)).toEqual({ errorClass: 'Error', message: '', traceback: undefined })
    expect(read({ exc_type: 'E', exc_message: 'm' })).toMatchObject({ errorClass: 'E', message: 'm' })
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    const text = `{"task_id":"i","status":"FAILURE","result":{"exc_message":[${deep}]}}`
    expect(decodeResult(text).error?.message).toBe('a list of 1')
    expect(read({ exc_message: [{ a: 1 }] })).toMatchObject({ errorClass: 'Error', message: '{"a":1}' })
  })

  it('throws nothing but MessageError, for any text', () => {
    const keys = fc.constantFrom('task_id', 'status', 'result', 'traceback', 'date_done', 'attempt', '__proto__')
    const texts = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .tuple(fc.dictionary(keys, json), fc.constantFrom('FAILURE', 'SUCCESS', 'X'))
        .map(([some, status]) => JSON.stringify({ ...some, task_id: 'i', status })),
    )
    fc.assert(
      fc.property(texts, (text) => {
        try {
          expect(decodeResult(text).id).toBeTypeOf('string')
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(MessageError)
        }
      }),
      { numRuns: 1000 },
    )
  })
})
