/** When cron expressions are true: daylight saving in both directions, leap days, and what can never be. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Cron } from '../../src/time/cron.js'
import { instantsOf, isZone, offsetAt, wallAt } from '../../src/time/zone.js'

/** The first instants from `from` on, as ISO 8601 without seconds. */
function instants(expression: string, zone: string, from: string, count: number): string[] {
  const cron = new Cron(expression, zone)
  const found: string[] = []
  let at: number | undefined = Date.parse(from) - 1
  while (found.length < count) {
    at = cron.next(at)
    if (at === undefined) break
    found.push(new Date(at).toISOString().replace(/:00\.000Z$/, 'Z'))
  }
  return found
}

const BERLIN = 'Europe/Berlin'
const HOWE = 'Australia/Lord_Howe'

it.each([
  // 02:00 to 03:00 is skipped on 29 March: 01:00Z is 03:00.
  ['30 2 * * *', BERLIN, '2026-03-28T00:00Z', ['2026-03-28T01:30Z', '2026-03-29T01:00Z', '2026-03-30T00:30Z']],
  ['0 3 * * *', BERLIN, '2026-03-28T00:00Z', ['2026-03-28T02:00Z', '2026-03-29T01:00Z', '2026-03-30T01:00Z']],
  // Two times in the gap, and one at its end, are one instant.
  ['0,30 2,3 * * *', BERLIN, '2026-03-29T00:00Z', ['2026-03-29T01:00Z', '2026-03-29T01:30Z', '2026-03-30T00:00Z']],
  ['*/15 2 * * *', BERLIN, '2026-03-29T00:00Z', ['2026-03-29T01:00Z', '2026-03-30T00:00Z', '2026-03-30T00:15Z']],
  ['0 * * * *', BERLIN, '2026-03-29T00:00Z', ['2026-03-29T00:00Z', '2026-03-29T01:00Z', '2026-03-29T02:00Z']],
  ['30 * * * *', BERLIN, '2026-03-29T00:00Z', ['2026-03-29T00:30Z', '2026-03-29T01:30Z', '2026-03-29T02:30Z']],
  ['*/15 * * * *', BERLIN, '2026-03-29T00:45Z', ['2026-03-29T00:45Z', '2026-03-29T01:00Z', '2026-03-29T01:15Z']],
  // 02:00 to 03:00 comes twice on 25 October: from 00:00Z, and from 01:00Z.
  ['30 2 * * *', BERLIN, '2026-10-24T00:00Z', ['2026-10-24T00:30Z', '2026-10-25T00:30Z', '2026-10-26T01:30Z']],
  ['0 2 * * *', BERLIN, '2026-10-25T00:00Z', ['2026-10-25T00:00Z', '2026-10-26T01:00Z']],
  ['0 3 * * *', BERLIN, '2026-10-25T00:00Z', ['2026-10-25T02:00Z', '2026-10-26T02:00Z']],
  ['*/30 1-3 * * *', BERLIN, '2026-10-25T00:00Z', ['2026-10-25T00:00Z', '2026-10-25T00:30Z', '2026-10-25T02:00Z']],
  [
    '0 * * * *',
    BERLIN,
    '2026-10-24T23:00Z',
    ['2026-10-24T23:00Z', '2026-10-25T00:00Z', '2026-10-25T01:00Z', '2026-10-25T02:00Z'],
  ],
  [
    '30 * * * *',
    BERLIN,
    '2026-10-24T23:30Z',
    ['2026-10-24T23:30Z', '2026-10-25T00:30Z', '2026-10-25T01:30Z', '2026-10-25T02:30Z'],
  ],
  [
    '*/15 * * * *',
    BERLIN,
    '2026-10-25T00:30Z',
    [
      '2026-10-25T00:30Z',
      '2026-10-25T00:45Z',
      '2026-10-25T01:00Z',
      '2026-10-25T01:15Z',
      '2026-10-25T01:30Z',
      '2026-10-25T01:45Z',
      '2026-10-25T02:00Z',
    ],
  ],
  // Half an hour: 02:00 to 02:30 is skipped on 4 October. 15:30Z of the day before is 02:30.
  ['15 2 * * *', HOWE, '2026-10-02T12:00Z', ['2026-10-02T15:45Z', '2026-10-03T15:30Z', '2026-10-04T15:15Z']],
  ['45 2 * * *', HOWE, '2026-10-03T12:00Z', ['2026-10-03T15:45Z', '2026-10-04T15:45Z']],
  ['0 * * * *', HOWE, '2026-10-03T14:00Z', ['2026-10-03T14:30Z', '2026-10-03T16:00Z', '2026-10-03T17:00Z']],
  ['30 * * * *', HOWE, '2026-10-03T14:30Z', ['2026-10-03T15:00Z', '2026-10-03T15:30Z', '2026-10-03T16:30Z']],
  ['*/15 * * * *', HOWE, '2026-10-03T15:15Z', ['2026-10-03T15:15Z', '2026-10-03T15:30Z', '2026-10-03T15:45Z']],
  // 01:30 to 02:00 comes twice on 5 April: from 14:30Z of the day before, and from 15:00Z.
  ['45 1 * * *', HOWE, '2026-04-03T12:00Z', ['2026-04-03T14:45Z', '2026-04-04T14:45Z', '2026-04-05T15:15Z']],
  ['15 1 * * *', HOWE, '2026-04-04T12:00Z', ['2026-04-04T14:15Z', '2026-04-05T14:45Z']],
  ['0 * * * *', HOWE, '2026-04-04T14:00Z', ['2026-04-04T14:00Z', '2026-04-04T15:30Z', '2026-04-04T16:30Z']],
  ['45 * * * *', HOWE, '2026-04-04T14:00Z', ['2026-04-04T14:45Z', '2026-04-04T15:15Z', '2026-04-04T16:15Z']],
  [
    '*/15 * * * *',
    HOWE,
    '2026-04-04T14:30Z',
    ['2026-04-04T14:30Z', '2026-04-04T14:45Z', '2026-04-04T15:00Z', '2026-04-04T15:15Z', '2026-04-04T15:30Z'],
  ],
  // A gap at midnight, and a day that a zone never had.
  ['0 0 * * *', 'Africa/Cairo', '2026-04-23T12:00Z', ['2026-04-23T22:00Z', '2026-04-24T21:00Z']],
  ['0 12 * * *', 'Pacific/Apia', '2011-12-29T12:00Z', ['2011-12-29T22:00Z', '2011-12-30T10:00Z', '2011-12-30T22:00Z']],
  ['@daily', 'America/New_York', '2026-03-07T12:00Z', ['2026-03-08T05:00Z', '2026-03-09T04:00Z']],
  ['@hourly', BERLIN, '2026-10-25T00:00Z', ['2026-10-25T00:00Z', '2026-10-25T01:00Z', '2026-10-25T02:00Z']],
  ['0 0 29 2 *', 'UTC', '2026-01-01T00:00Z', ['2028-02-29T00:00Z', '2032-02-29T00:00Z']],
  ['0 0 29 2 *', 'UTC', '2096-03-01T00:00Z', ['2104-02-29T00:00Z']],
  ['0 0 L * *', BERLIN, '2028-02-01T00:00Z', ['2028-02-28T23:00Z', '2028-03-30T22:00Z']],
  ['0 9 * * MON-FRI', 'UTC', '2026-11-27T09:00Z', ['2026-11-27T09:00Z', '2026-11-30T09:00Z']],
])('%s in %s from %s on', (expression, zone, from, expected) => {
  expect(instants(expression, zone, from, expected.length)).toEqual(expected)
})

it('seconds stand in front', () => {
  const cron = new Cron('*/20 30 2 * * *', BERLIN)
  const at = cron.next(Date.parse('2026-10-25T00:30:20.500Z'))
  expect(new Date(at ?? 0).toISOString()).toBe('2026-10-25T00:30:40.000Z')
})

it.each(['0 0 31 2 *', '0 0 31 4,6,9,11 *', '0 0 30 2 *'])('%s is never true', (expression) => {
  expect(new Cron(expression, BERLIN).next(Date.parse('2026-01-01T00:00Z'))).toBeUndefined()
})

it.each([
  ['', 'five fields'],
  ['* * *', 'five fields'],
  ['* * * * * * *', 'five fields'],
  ['2026-01-01T00:00:00', 'five fields'],
  ['@reboot', 'five fields'],
  ['60 * * * *', 'a cron expression (Invalid value for minute: 60)'],
  ['a * * * *', 'a cron expression ('],
  ['*/0 * * * *', 'a cron expression ('],
])('%j says what was expected', (expression, expected) => {
  expect(() => new Cron(expression, 'UTC')).toThrow(expected)
})

it.each(['', 'Europe/Bielefeld', 7, null, 'UTC+25:99'])('%j is no zone', (zone) => {
  expect(isZone(zone)).toMatch(/a time zone/)
})

const zones = ['UTC', BERLIN, HOWE, 'America/St_Johns', 'Asia/Kolkata', 'Pacific/Chatham', 'Africa/Casablanca']
const somewhen = fc.integer({ min: Date.parse('2000-01-01'), max: Date.parse('2037-01-01') })

it('what a wall clock shows leads back to its instant', () => {
  fc.assert(
    fc.property(fc.constantFrom(...zones), somewhen, (zone, instant) => {
      const shown = instantsOf(zone, wallAt(zone, instant))
      expect([
        shown.gapEnd === undefined ? shown.first : Number.NaN,
        shown.gapEnd === undefined ? shown.second : 0,
      ]).toContain(instant)
    }),
  )
})

const fields = fc.constantFrom('* * * * *', '*/15 * * * *', '0 * * * *', '30 2 * * *', '0 2,3 * * 0', '15 1 * 3,4,10 *')

it('each instant comes after the one before, shows what the expression says, and is not before the one asked for', () => {
  fc.assert(
    fc.property(fc.constantFrom(...zones), fields, somewhen, (zone, expression, from) => {
      const cron = new Cron(expression, zone)
      let at = from
      for (let count = 0; count < 4; count++) {
        const next = cron.next(at)
        if (next === undefined || next <= at) return false
        at = next
      }
      // Nobody who asks a little later gets an earlier or another one.
      return cron.next(at - 1) === at
    }),
    { numRuns: 200 },
  )
})

it('a million-year-old or far instant has an offset', () => {
  expect(offsetAt(BERLIN, Date.parse('9000-07-01T00:00Z'))).toBe(2 * 3_600_000)
  expect(offsetAt(HOWE, Date.parse('2026-01-01T00:00Z'))).toBe(11 * 3_600_000)
})
