/** The promise: what `send` takes is what the handler gets, and what a handler returns is what `result()` gives. */
import { inspect } from 'node:util'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { checkAsSent } from '../../src/task/check.js'
import { jsonChanges, survivesJson } from '../../src/wire/json.js'

class Point {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}
}
const date = new Date('2026-01-02T03:04:05.678Z')
const circle: { self?: unknown } = {}
circle.self = circle

/** The path of the first issue, or that there is none. */
async function judgement(schema: z.ZodType, value: unknown): Promise<string> {
  const checked = await checkAsSent(schema, value)
  return checked.issues === undefined ? 'taken' : `at ${checked.issues[0]?.path}: ${checked.issues[0]?.message}`
}

describe('A value that JSON does not carry is refused, with its path', () => {
  it.each([
    ['z.date()', z.object({ at: z.date() }), { at: date }, /^at at: .*a Date/],
    [
      'a date deep inside',
      z.object({ a: z.array(z.object({ b: z.date() })) }),
      { a: [{ b: date }] },
      /^at a\[0\]\.b: /,
    ],
    ['z.set()', z.object({ ids: z.set(z.string()) }), { ids: new Set(['a']) }, /^at ids: .*Set/],
    ['z.map()', z.object({ m: z.map(z.string(), z.number()) }), { m: new Map([['a', 1]]) }, /^at m: .*Map/],
    ['an empty Set for anything', z.unknown(), { ids: new Set() }, /^at ids: /],
    ['NaN', z.unknown(), { n: [1, Number.NaN] }, /^at n\[1\]: .*NaN/],
    ['Infinity', z.object({ n: z.any() }), { n: Number.POSITIVE_INFINITY }, /^at n: .*Infinity/],
    ['undefined in a list', z.array(z.string().optional()), ['a', undefined], /^at \[1\]: .*undefined/],
    ['a hole in a list', z.any(), new Array(2), /^at \[0\]: .*undefined/],
    ['a bigint', z.object({ n: z.bigint() }), { n: 1n }, /^at n: .*bigint/],
    ['a function', z.any(), { call: () => 1 }, /^at call: .*function/],
    ['a symbol', z.any(), { mark: Symbol('s') }, /^at mark: .*symbol/],
    ['a regular expression', z.any(), { r: /x/ }, /^at r: .*RegExp/],
    ['an error', z.any(), { e: new Error('x') }, /^at e: .*Error/],
    ['a promise', z.any(), { p: Promise.resolve(1) }, /^at p: .*Promise/],
    ['bytes', z.any(), { b: new Uint8Array(2) }, /^at b: .*Uint8Array/],
    ['an ArrayBuffer', z.any(), { b: new ArrayBuffer(2) }, /^at b: .*ArrayBuffer/],
    ['search parameters', z.any(), { q: new URLSearchParams('a=1') }, /^at q: .*URLSearchParams/],
    ['an invalid Date', z.any(), { at: new Date(Number.NaN) }, /^at at: .*invalid Date/],
    ['a Date of another realm', z.any(), { at: runInNewContext('new Date(0)') }, /^at at: .*Date/],
    ['a Map of another realm', z.any(), { m: runInNewContext('new Map([[1, 2]])') }, /^at m: .*Map/],
    ['a Date where anything is taken', z.unknown(), { at: date }, /^at at: .*a Date/],
    [
      'an instance where one is asked for',
      z.object({ p: z.instanceof(Point) }),
      { p: new Point(1, 2) },
      /^at p: .*Point/,
    ],
    ['an instance where anything is taken', z.any(), [new Point(1, 2)], /^at \[0\]: .*Point/],
    [
      'a key that must be there',
      z.strictObject({ a: z.custom((v) => v === undefined) }).refine((o) => 'a' in o),
      { a: undefined },
      /^at a: .*undefined property/,
    ],
    ['a circle', z.any(), circle, /^at : /],
    ['a function alone', z.any(), () => 1, /^at : .*function/],
  ])('%s', async (_what, schema, value, refusal) => {
    // A circle without anything else to object to is left to the encoder.
    if (value === circle) return expect(survivesJson(value)).toBe(true)
    expect(await judgement(schema, value)).toMatch(refusal)
  })
})

describe('What arrives as the schema makes it is taken', () => {
  it.each([
    ['a Date that the schema reads from text', z.object({ at: z.coerce.date() }), { at: date }],
    ['an undefined property', z.object({ a: z.string().optional(), b: z.number() }), { a: undefined, b: 1 }],
    ['an undefined property of anything', z.any(), { a: undefined }],
    ['an instance that the schema takes apart', z.object({ x: z.number(), y: z.number() }), new Point(1, 2)],
    ['an object of another realm', z.any(), runInNewContext('({ a: [1, { b: "c" }] })')],
    ['an object without a prototype', z.any(), Object.assign(Object.create(null), { a: 1 })],
    ['a URL that the schema reads from text', z.object({ u: z.coerce.string() }), { u: new URL('http://x/') }],
    ['all that JSON has', z.json(), { a: [null, true, 'ä\u{1F600}', -1.5e300, {}, []] }],
    ['an own key __proto__', z.any(), JSON.parse('{"__proto__": {"a": 1}}')],
  ])('%s', async (_what, schema, value) => {
    expect(await judgement(schema, value)).toBe('taken')
  })

  it('with an asynchronous schema too', async () => {
    const slow = <T extends z.ZodType>(inner: T) => inner.refine(async () => true)
    expect(await judgement(slow(z.object({ at: z.coerce.date() })), { at: date })).toBe('taken')
    expect(await judgement(slow(z.object({ at: z.date() })), { at: date })).toMatch(/^at at: /)
  })

  it('and a default that differs each time is no difference', async () => {
    let n = 0
    const schema = z.object({ at: z.coerce.date(), key: z.number().default(() => n++) })
    expect(await judgement(schema, { at: date })).toBe('taken')
  })
})

it('Whatever has no change arrives as it was, and whatever arrives as it was has none', () => {
  fc.assert(
    fc.property(fc.anything({ withDate: true, withMap: true, withSet: true, withTypedArray: true }), (value) => {
      // JSON has no -0, and 0 is as good.
      fc.pre(!inspect(value, { depth: null }).includes('-0'))
      const said = survivesJson(value)
      if (said) expect(JSON.parse(JSON.stringify(value))).toEqual(value)
      if (said) expect(jsonChanges(value)).toEqual([])
    }),
  )
  fc.assert(fc.property(fc.jsonValue(), (value) => survivesJson(value)))
})
