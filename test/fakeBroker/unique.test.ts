/** Unique keys and marked messages: what is taken, what is refused, and what strangers may put into headers. */
import type { ConsumeMessage } from 'amqplib'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { settleUnique } from '../../src/control/uniqueOptions.js'
import { connect, defineTask, type UniqueOptions, type Warren } from '../../src/index.js'
import { headers } from '../../src/wire/names.js'
import { copyIdentity, newOnce } from '../../src/wire/once.js'
import { encodeUniqueMark, type UniqueMark, uniqueMarkOf } from '../../src/wire/uniqueMark.js'
import { useBroker } from '../support/harness/amqplib.js'
import type { FakeBroker } from '../support/harness/index.js'

vi.mock('amqplib', () => import('../support/harness/amqplib.js'))

const YEARS_MS = 11 * 365 * 24 * 60 * 60 * 1000

describe('Options', () => {
  const refused = (given: unknown): string => {
    try {
      settleUnique('send: unique', given as UniqueOptions)
      return 'taken'
    } catch (error) {
      return (error as Error).message
    }
  }

  it.each<[string, unknown, RegExp]>([
    ['no key', {}, /`key` to be given/],
    ['a key that is a number', { key: 42 }, /`key` to be a text of 1 to 200 bytes.*got: 42/],
    ['an empty key', { key: '' }, /`key` to be a text of 1 to 200 bytes/],
    ['a key of 201 bytes', { key: 'x'.repeat(201) }, /`key` to be a text of 1 to 200 bytes/],
    ['a key of 101 letters with 202 bytes', { key: 'ä'.repeat(101) }, /`key` to be a text of 1 to 200 bytes/],
    ['a key with half a surrogate pair', { key: 'a\ud800' }, /`key` to be a text of 1 to 200 bytes in UTF-8/],
    ['a key that is an object', { key: { toString: () => 'x' } }, /`key` to be a text/],
    ['a negative time', { key: 'k', until: -1 }, /`until` to be 'started' or 'finished', or an integer from 1/],
    ['no time', { key: 'k', until: 0 }, /`until`/],
    ['NaN', { key: 'k', until: Number.NaN }, /`until`.*got: NaN/],
    ['half a millisecond', { key: 'k', until: 0.5 }, /`until`/],
    ['for ever', { key: 'k', until: Number.POSITIVE_INFINITY }, /`until`/],
    ['eleven years', { key: 'k', until: YEARS_MS }, /`until`/],
    ['an unknown until', { key: 'k', until: 'ended' }, /`until`.*got: "ended"/],
    [
      'an unknown onConflict',
      { key: 'k', onConflict: 'ignore' },
      /`onConflict` to be 'existing' or 'reject' or 'replace'/,
    ],
    ['a version that is no safe integer', { key: 'k', onConflict: 'replace', version: 2 ** 53 }, /`version`/],
    ['a version of text', { key: 'k', onConflict: 'replace', version: '1' }, /`version`/],
    ['a negative version', { key: 'k', onConflict: 'replace', version: -1 }, /`version` to be an integer ≥ 0/],
    ['a version that orders nothing', { key: 'k', version: 1 }, /`version` only with `onConflict: 'replace'`/],
    ['a TTL of a moment', { key: 'k', ttlMs: 1 }, /`ttlMs` to be an integer from 10000/],
    ['a TTL beside a time', { key: 'k', until: 1_000, ttlMs: 20_000 }, /`ttlMs` only where/],
    ['a misspelt option', { key: 'k', onconflict: 'reject' }, /did you mean `onConflict`/],
    ['a text', 'k', /expected an object/],
    ['a list', ['k'], /expected an object/],
  ])('%s', (_what, given, message) => {
    expect(refused(given)).toMatch(message)
  })

  it('names everything that is wrong at once', () => {
    expect(refused({ key: 1, until: 2.5, version: 'x' })).toMatch(/`key`.*`until`.*`version`/s)
  })

  it('reads each option once', () => {
    let reads = 0
    const given = {
      get key() {
        return ++reads === 1 ? 'key' : 42
      },
    }
    expect(settleUnique('test', given as UniqueOptions).key).toBe('key')
  })

  it('has defaults, and takes a key of any kind of text', () => {
    expect(settleUnique('test', { key: 'a b:{c}\n\0é😀', until: undefined })).toEqual({
      key: 'a b:{c}\n\0é😀',
      until: 'finished',
      onConflict: 'existing',
      version: undefined,
      ttlMs: 24 * 60 * 60 * 1000,
    })
    expect(settleUnique('test', { key: 'x'.repeat(200), until: 5 }).ttlMs).toBe(5)
  })
})

describe('Sending', () => {
  const task = defineTask({ name: 'unit.unique.task', input: z.object({ n: z.number() }) })
  let broker: FakeBroker
  let warren: Warren
  beforeEach(async () => {
    broker = useBroker()
    warren = await connect({ broker: 'amqp://host', logger: false })
  })
  afterEach(() => warren.close())

  it('needs a store', async () => {
    await expect(warren.send(task, { n: 1 }, { unique: { key: 'k' } })).rejects.toMatchObject({
      code: 'NO_RESULT_STORE',
    })
    expect(broker.publications).toEqual([])
  })

  it('checks its options before all else', async () => {
    await expect(warren.send(task, { n: 1 }, { unique: { key: '' } })).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
    })
    await expect(warren.send(task, { n: 1 }, { unique: 'k' as never })).rejects.toThrow(/`unique` to be an object/)
  })

  it('a message without a key carries nothing of it', async () => {
    const handle = await warren.send(task, { n: 1 })
    expect(handle.existing).toBe(false)
    const sent = Object.keys(broker.publications[0]?.properties.headers ?? {})
    expect(sent).not.toContain(headers.once)
    expect(sent).not.toContain(headers.unique)
  })
})

describe('The header of a unique key', () => {
  const marks = fc.record<UniqueMark>({
    key: fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }).filter((key) => Buffer.byteLength(key) <= 200),
    until: fc.oneof(
      fc.constantFrom<UniqueMark['until']>('started', 'finished'),
      fc.integer({ min: 1, max: 1_000_000_000 }),
    ),
    ttlMs: fc.integer({ min: 1, max: 1_000_000_000 }),
    seq: fc.maxSafeNat(),
    replace: fc.boolean(),
    version: fc.option(fc.maxSafeNat(), { nil: undefined }),
  })

  it('is read as it was written', () => {
    fc.assert(
      fc.property(marks, (mark) => {
        expect(uniqueMarkOf({ [headers.unique]: encodeUniqueMark(mark) })).toEqual(mark)
      }),
    )
  })

  it('counts as none when it is anything else', () => {
    const read = (value: unknown) => uniqueMarkOf({ [headers.unique]: value })
    const mark = { key: 'k', until: 'finished', ttl: 1, seq: 1 }
    expect(read(JSON.stringify(mark))).toBeDefined()
    for (const change of [
      { key: '' },
      { key: 1 },
      { key: 'x'.repeat(201) },
      { until: 'never' },
      { until: 0 },
      { until: 1e300 },
      { ttl: -1 },
      { ttl: 1e300 },
      { ttl: '1' },
      { seq: 0.5 },
      { seq: null },
    ]) {
      expect(read(JSON.stringify({ ...mark, ...change }))).toBeUndefined()
    }
    expect(uniqueMarkOf(undefined)).toBeUndefined()
    fc.assert(fc.property(fc.anything(), (value) => read(value) === undefined))
    fc.assert(fc.property(fc.json(), (value) => void read(value)))
  })
})

describe('The header of what may have copies', () => {
  const message = (given: Record<string, unknown>): ConsumeMessage =>
    ({ properties: { headers: given } }) as unknown as ConsumeMessage

  it('tells one publication from another, and its copies from each other', () => {
    const [one, other] = [newOnce(), newOnce()]
    const of = (given: Record<string, unknown>) => copyIdentity(message(given))
    expect(of(one)).not.toEqual(of(other))
    expect(of(one)).toEqual(of({ ...one }))
    const copies = [
      one,
      { ...one, retries: 1 },
      { ...one, [headers.due]: 5 },
      { ...one, [headers.run]: 5 },
      { ...one, [headers.redriven]: 1 },
      { ...one, [headers.republished]: true },
    ].map((each) => of(each)?.copy)
    expect(new Set(copies).size).toBe(copies.length)
    expect(new Set(copies.map(() => of(one)?.publication)).size).toBe(1)
  })

  it('is none for anything but a short text, whatever else there is', () => {
    expect(copyIdentity({ properties: {} } as ConsumeMessage)).toBeUndefined()
    for (const value of [1, true, null, '', 'x'.repeat(101), {}, []]) {
      expect(copyIdentity(message({ [headers.once]: value }))).toBeUndefined()
    }
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (due, retries) => {
        const identity = copyIdentity(message({ ...newOnce(), retries, [headers.due]: due }))
        expect(identity).toMatchObject({ copy: expect.any(String), retries: expect.any(Number) })
      }),
    )
  })
})
