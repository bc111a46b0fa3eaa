/** What the history keeps, encoded and read again. */
import { describe, expect, it } from 'vitest'
import { decodeItem, encodeNotes, type HistoryItem, type HistoryNote } from '../../src/wire/historyEntry.js'
import { serviceOf } from '../../src/wire/names.js'

const NOW = 1_700_000_000_000
const PROCESS = { hostname: 'host', pid: 42 }
const queue = { name: 'user.account.create.crm', task: 'user.account.create' }
const note = (more: Partial<HistoryNote> = {}): HistoryNote => ({
  state: 'SUCCESS',
  ...{ id: 'a', attempt: 1, run: 0, task: 'user.account.create', queue },
  ...{ queued: NOW - 100, started: NOW - 20, at: NOW - 5 },
  ...more,
})

function item(notes: readonly (HistoryNote | undefined)[], missing = ''): HistoryItem {
  const { states, names, entries, errors } = encodeNotes(notes, NOW, PROCESS)
  return [`${NOW + 3}-7`, ['s', states, 'n', names, 'e', entries, 't', errors, 'x', missing]]
}

it('An entry comes back as it was noted, with the service, the process and the instant of the store', () => {
  expect(decodeItem(item([note()]))).toEqual([
    {
      ...{ id: 'a', task: 'user.account.create', queue: 'user.account.create.crm', service: 'crm', state: 'SUCCESS' },
      ...{ attempt: 1, run: 0, hostname: 'host', pid: 42, at: new Date(NOW + 3) },
      ...{ queuedAt: new Date(NOW - 100), startedAt: new Date(NOW - 20), endedAt: new Date(NOW - 5) },
    },
  ])
})

it('The service of a queue is known from its name, with or without a lane', () => {
  expect(serviceOf('user.account.create.crm', 'user.account.create')).toBe('crm')
  expect(serviceOf('user.account.create.crm@high', 'user.account.create')).toBe('crm')
})

it('Entries of several tasks and states stand in their order, and a result without a note has none', () => {
  const other = { name: 'a.b.c.svc', task: 'a.b.c' }
  const notes = [note(), undefined, note({ id: 'b', task: 'a.b.c', queue: other, state: 'FAILURE' }), note({ id: 'c' })]
  const all = item(notes)
  expect(all[1][1]).toBe('SF')
  expect(decodeItem(all).map(({ id, service, state }) => [id, service, state])).toEqual([
    ['a', 'crm', 'SUCCESS'],
    ['b', 'svc', 'FAILURE'],
    ['c', 'crm', 'SUCCESS'],
  ])
})

describe('Of results that were not stored', () => {
  const notes = [note({ id: 'a' }), note({ id: 'b', state: 'REVOKED' }), note({ id: 'c' }), note({ id: 'd' })]
  const ids = (missing: string) => decodeItem(item(notes, missing)).map(({ id }) => id)

  it('there is no entry', () => expect(ids('1,3')).toEqual(['b', 'd']))
  it('there is one where a cancelled task ended as cancelled', () => expect(ids('-2,-3')).toEqual(['a', 'b', 'd']))
})

it('An error is cut, and what JSON cannot hold in one piece comes back', () => {
  const error = { errorClass: 'E'.repeat(500), message: `"quoted" \\ \u0000 \ud83d\ude00 ${'m'.repeat(500)}` }
  const [entry] = decodeItem(item([undefined, note({ id: 'a"\n\u2028', state: 'RETRY', error, delayMs: 20.4 })]))
  expect(entry).toMatchObject({ id: 'a"\n\u2028', delayMs: 20 })
  expect(entry?.error?.errorClass).toHaveLength(100)
  expect(entry?.error?.message).toHaveLength(300)
  expect(entry?.error?.message.startsWith('"quoted" \\ \u0000 \ud83d\ude00')).toBe(true)
})

it('What is not known is left out: the times, the names, of a cancelling the process', () => {
  const cancelled = { id: 'a', state: 'REVOKED', attempt: 0, run: NOW, at: NOW } as const
  expect(decodeItem(item([cancelled]))).toEqual([
    { id: 'a', state: 'REVOKED', attempt: 0, run: NOW, at: new Date(NOW + 3), endedAt: new Date(NOW) },
  ])
  const [started] = decodeItem(item([note({ state: 'STARTED' })]))
  expect(started).not.toHaveProperty('endedAt')
})

it.each<[string, readonly string[]]>([
  ['nothing', []],
  ['other fields', ['a', 'b']],
  ['no JSON', ['s', 'S', 'n', '[1', 'e', '[', 't', '', 'x', '']],
  ['another format', ['s', 'S', 'n', '[2,0,1,"h",[]]', 'e', '[["a",0,"S",1,0,1,1,1]]', 't', '', 'x', '']],
  ['entries of another kind', ['s', 'S', 'n', '[1,0,1,"h",[]]', 'e', '{}', 't', '', 'x', '']],
  ['an unknown state', ['s', 'S', 'n', '[1,0,1,"h",[]]', 'e', '[["a",0,"Q",1,0,1,1,1]]', 't', '', 'x', '']],
])('An item with %s has no entries', (_what, fields) => {
  expect(decodeItem(['1-1', fields])).toEqual([])
})
