import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { age } from '../../cli/dlq.js'
import { details } from '../../cli/dlqLook.js'
import { sweepText } from '../../cli/dlqSweep.js'
import { jsonLine, printable, printableLines } from '../../cli/printable.js'
import type { DeadLetterContent, RedriveSummary } from '../../src/index.js'
import { command as warren } from '../support/command.js'

describe('text from strangers', () => {
  const codePoint = fc
    .oneof(fc.nat(0xff), fc.integer({ min: 0x2000, max: 0x2fff }), fc.nat(0x10ffff))
    .map((code) => String.fromCodePoint(code))
  it.each([
    ['plain, äöü, 漢字 and 👍', 'plain, äöü, 漢字 and 👍'],
    ['\x1b[31mred\x07', '\\x1b[31mred\\x07'],
    ['a\nb\tc\u009b', 'a\\nb\\tc\\x9b'],
    ['\u202eabc\u2066', '\\u{202e}abc\\u{2066}'],
    ['\ud800', '\\u{d800}'],
  ])('%j is printed as %j', (text, expected) => {
    expect(printable(text)).toBe(expected)
  })

  it('keeps line breaks where they are asked for', () => {
    expect(printableLines('a\r\nb\rc\n')).toBe('a\nb\\x0dc\n')
  })

  it('holds nothing that moves a cursor, and JSON stays what it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: codePoint }), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u)
        expect(jsonLine({ text }).trimEnd()).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u)
        expect(JSON.parse(jsonLine({ text }))).toEqual({ text })
      }),
    )
  })
})

it.each([
  ['90s', 90_000],
  ['1.5h', 5_400_000],
  ['7d', 604_800_000],
  ['250ms', 250],
])('an age of %s is %i ms', (word, ms) => {
  expect(age(word)).toBe(ms)
})

const letter: DeadLetterContent = {
  ...{ id: 'a\x1b]0;x\x07', task: 'payment.invoice.create', by: 'warren', reason: 'failed' },
  ...{ why: 'failed on attempt 4 with HandlerError: \x1b[2J', diedAt: new Date('2026-03-01T11:00:00Z') },
  ...{ queue: 'q', exchange: '', routingKey: 'q', attempts: 4, errorClass: 'HandlerError', errorMessage: '\x1b[2J' },
  ...{ redriven: 1, traceparent: undefined, bytes: 5, content: Buffer.from('x\x1b[1m\n'), contentType: 'text/plain' },
  headers: { 'h\x1b': '\u202e' },
}

it('shows a dead letter whole, and nothing of it reaches the terminal as a command', () => {
  const text = details(letter, Date.parse('2026-03-01T11:05:00Z'))
  expect(text).not.toMatch(/(?!\n)[\p{Cc}\u202e]/u)
  for (const part of ['why       failed on attempt 4', '5 min ago', '(default exchange) → q', '1 time before']) {
    expect(text).toContain(part)
  }
  expect(details({ ...letter, content: Buffer.from([0xff, 0]) })).toContain('base64 /wA=')
})

const summary: RedriveSummary = {
  ...{ queue: 'payment.dlq', total: 1200, scanned: 1200, done: 1000, kept: 7, matched: 1007 },
  ...{ stopped: 'end', dryRun: false },
  destinations: [{ exchange: 'payment.commands', routingKey: 'payment.invoice.create', count: 1000 }],
  problems: [{ code: 'UNROUTABLE', message: 'No queue takes it', count: 7, ids: ['a', 'b'] }],
}

it('says how a redrive ended', () => {
  expect(sweepText('redrive', summary)).toBe(
    `payment.dlq: 1,000 of 1,200 dead letters sent back
  1,000 to payment.commands → payment.invoice.create
  7 cannot be sent back and stay:
    No queue takes it
      a, b and 5 more
`,
  )
  expect(sweepText('redrive', { ...summary, done: 0, dryRun: true })).toContain(
    '1,000 of 1,200 dead letters would be sent back',
  )
  const {
    destinations: _d,
    problems: _p,
    ...purged
  } = { ...summary, kept: 0, matched: 1000, stopped: 'aborted' as const }
  expect(sweepText('purge', purged)).toBe(
    'payment.dlq: 1,000 of 1,200 dead letters removed; interrupted, the rest stays\n',
  )
})

describe('warren dlq', () => {
  it.each(['list', 'show', 'redrive', 'purge'])('%s --help ends with examples and exit code 0', async (verb) => {
    const { code, out, err } = await warren('dlq', verb, '--help')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain('Examples:')
  })

  it.each([
    [['dlq', 'list', '--older-than', '10x'], 'expected an age such as 90s'],
    [['dlq', 'list', '--reason', 'expird'], 'Allowed choices are'],
    [['dlq', 'list', '--domain', 'user', '--queue', 'user.dlq'], 'cannot be used with'],
    [['dlq', 'show'], "missing required argument 'id'"],
    [['dlq', 'redrive', '--rate', '0'], 'expected a number above 0'],
    [['dlq', 'redrive', '--yes'], 'expected --domain or --queue, got neither'],
    [['dlq', 'purge', '--limit', '0', '--domain', 'user'], 'expected a whole number from 1'],
  ])('answers wrong use %j with one line and exit code 2', async (words, expected) => {
    const { code, out, err } = await warren(...words)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(expected)
    expect(err).toMatch(/^warren[^\n]*\n$/)
  })

  it.runIf(process.stdin.isTTY !== true).each([
    ['dlq', 'purge', '--domain', 'user', '--reason', 'expired'],
    ['dlq', 'redrive', '--domain', 'user'],
  ])('asks before it %s %s, and refuses where it cannot ask', async (...words) => {
    const { code, err } = await warren(...words)
    expect(code).toBe(2)
    expect(err).toContain('expected --yes')
  })
})
