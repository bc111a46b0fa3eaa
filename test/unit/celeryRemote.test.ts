/** What Celery's tools say to workers, and what strangers may: `src/wire/celeryRemote.ts`. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { idsIn, pythonRepr, requestFor, VERSION } from '../../src/wire/celeryRemote.js'

const NODE = 'tools-1@host'
const NOW = 1_800_000_000_000
const ask = (body: unknown, headers?: Record<string, unknown>) =>
  requestFor(NODE, Buffer.from(JSON.stringify(body)), headers, NOW)

it('says the version that package.json says', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  expect(VERSION).toBe(version)
})

it('takes what is for all, for this node, or for a glob that fits it; not what is too late', () => {
  const reply_to = { exchange: 'reply.celery.pidbox', routing_key: 'key' }
  const request = { method: 'ping', arguments: {}, ticket: 't', reply_to }
  const taken = { method: 'ping', arguments: {}, replyKey: 'key', ticket: 't' }
  expect(ask({ ...request, destination: null })).toEqual(taken)
  expect(ask({ ...request, destination: [NODE, 'other@host'] })).toEqual(taken)
  expect(ask({ ...request, destination: ['other@host'] })).toBeUndefined()
  expect(ask({ ...request, matcher: 'glob', pattern: 'tools-*@?ost' })).toEqual(taken)
  expect(ask({ ...request, matcher: 'glob', pattern: 'tool' })).toBeUndefined()
  expect(ask({ ...request, matcher: 'pcre', pattern: '.*' })).toBeUndefined()
  expect(ask(request, { expires: NOW / 1000 - 1 })).toBeUndefined()
  expect(ask(request, { expires: NOW / 1000 + 1 })).toEqual(taken)
})

it("answers nowhere but to Celery's exchange for replies", () => {
  const to = (reply_to: unknown) => ask({ method: 'ping', reply_to })?.replyKey
  expect(to({ exchange: 'payment.commands', routing_key: 'payment.invoice.create' })).toBeUndefined()
  expect(to({ exchange: '', routing_key: 'queue' })).toBeUndefined()
  expect(to({ exchange: 'reply.celery.pidbox', routing_key: 5 })).toBeUndefined()
  expect(to(null)).toBeUndefined()
})

it('never throws, whatever comes', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      requestFor(NODE, Buffer.from(text), undefined, NOW)
    }),
  )
  fc.assert(fc.property(fc.jsonValue(), (value) => ask({ method: 'ping', arguments: value })?.method === 'ping'))
  const glob = fc.string({ unit: fc.constantFrom('*', '?', 't', '-', '@') })
  fc.assert(fc.property(glob, (pattern) => void ask({ method: 'ping', matcher: 'glob', pattern })))
})

it('reads one id or a list, and shows values as Python does, cut', () => {
  expect([idsIn('a'), idsIn(['a', 5, '', 'b']), idsIn(undefined)]).toEqual([['a'], ['a', 'b'], []])
  expect(pythonRepr({ a: [1, null, true], 'b"c': "it's" })).toBe(`{'a': [1, None, True], 'b"c': 'it\\'s'}`)
  expect(pythonRepr('x'.repeat(5_000))).toHaveLength(1_024)
})
