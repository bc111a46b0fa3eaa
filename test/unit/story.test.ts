/** A task's events as they are made of what the store holds. */
import { describe, expect, it } from 'vitest'
import type { EventsReply } from '../../src/results/script.js'
import { Story } from '../../src/results/story.js'
import type { TaskEvent } from '../../src/results/taskEvent.js'
import {
  decodeEntry,
  MAX_ENTRY_CHARACTERS,
  progressEntry,
  retryEntry,
  startedEntry,
} from '../../src/wire/eventEntry.js'
import { eventsKey, hasEventsInCluster } from '../../src/wire/names.js'
import { encodeFailure, encodePending, encodeSuccess } from '../../src/wire/resultFormat.js'

const T = 1_764_000_000_000
const id = 'the-id'
const error = { errorClass: 'TypeError', message: 'no', traceback: undefined }

const of = (attempt = 1) => ({ attempt, queued: T, started: T + attempt * 100 })
const progress = (seq: number, value: unknown, attempt = 1, lost = 0): string =>
  progressEntry(of(attempt), T + attempt * 100 + seq, { seq, lost }, JSON.stringify(value))
const retry = (attempt = 1): string => retryEntry(of(attempt), T + attempt * 100 + 50, { error, delayMs: 20 })
const success = (run = 0, attempt = 1): string =>
  encodeSuccess({ id, run, task: 'a.b', ...of(attempt), output: 7, doneAt: new Date(T + 900) })
const reply = (entries: readonly string[], { run = 0, from = 1, text = '' } = {}): EventsReply => [
  String(run),
  text,
  entries.map((json, index) => [`${run}-${from + index}`, json] as const),
]
const short = (events: readonly TaskEvent[]): string[] =>
  events.map((event) => {
    const dropped = event.dropped === undefined ? '' : ` after ${event.dropped} lost`
    const value = event.type === 'progress' ? ` ${String(event.value)}` : ''
    return `${event.type} ${event.attempt}${value}${dropped}`
  })
const told = (story: Story, from: EventsReply): string[] => short(story.read(from).events)

describe('A story', () => {
  it('of a task that only succeeded tells when it was queued and started, too', () => {
    const { events } = new Story(id).read(reply([], { text: success() }))
    expect(events).toEqual([
      { type: 'queued', id, run: 0, attempt: 1, at: new Date(T) },
      { type: 'started', id, run: 0, attempt: 1, at: new Date(T + 100) },
      { type: 'done', id, run: 0, attempt: 1, at: new Date(T + 900), status: 'SUCCESS', output: 7 },
    ])
  })

  it('tells each event once, from where it was read before', () => {
    const story = new Story(id)
    expect(told(story, reply([progress(1, 'a')]))).toEqual(['queued 1', 'started 1', 'progress 1 a'])
    expect(story.position).toEqual([0, 1])
    expect(told(story, reply([progress(1, 'a')]))).toEqual([])
    expect(told(story, reply([progress(1, 'a'), progress(2, 'b'), retry()]))).toEqual(['progress 1 b', 'retry 1'])
    expect(told(story, reply([retry(), progress(1, 'c', 2)], { from: 3, text: success(0, 2) }))).toEqual([
      'started 2',
      'progress 2 c',
      'done 2',
    ])
  })

  it('counts what is gone: before the first, in between, and what the worker could not store', () => {
    const story = new Story(id)
    expect(told(story, reply([progress(9, 'x')], { from: 9 }))).toEqual([
      'queued 1 after 8 lost',
      'started 1',
      'progress 1 x',
    ])
    expect(told(story, reply([progress(13, 'y'), progress(14, 'z', 1, 5)], { from: 13 }))).toEqual([
      'progress 1 y after 3 lost',
      'progress 1 z after 5 lost',
    ])
  })

  it('does not repeat what the store holds twice, as its answer to the first was lost', () => {
    expect(
      told(
        new Story(id),
        reply([progress(1, 'a'), progress(2, 'b'), progress(1, 'a'), progress(2, 'b'), retry(), retry()]),
      ),
    ).toEqual(['queued 1', 'started 1', 'progress 1 a', 'progress 1 b', 'retry 1'])
  })

  it('of a store that lost its data begins anew, and repeats nothing', () => {
    const story = new Story(id)
    story.read(reply([progress(1, 'a'), progress(2, 'b'), progress(3, 'c')]))
    // Fewer than were read before: nothing from number 3 on.
    expect(story.read(reply([]))).toEqual({ events: [], again: true })
    expect(story.position).toEqual([0, 0])
    expect(told(story, reply([progress(3, 'c'), progress(4, 'd')]))).toEqual(['progress 1 d'])
    // As many, but others.
    expect(story.read(reply([progress(7, 'g')], { from: 2 })).again).toBe(true)
    expect(told(story, reply([progress(6, 'f'), progress(7, 'g')], { text: success() }))).toEqual([
      'progress 1 f',
      'progress 1 g',
      'done 1',
    ])
  })

  it('an attempt that is started again, as its worker died, is told again', () => {
    const again = startedEntry({ attempt: 1, queued: T, started: T + 500 }, T + 500, { hostname: 'h', pid: 2 })
    const first = startedEntry(of(), T + 100, { hostname: 'h', pid: 1 })
    const { events } = new Story(id).read(reply([first, progress(1, 'a'), again]))
    expect(short(events)).toEqual(['queued 1', 'started 1', 'progress 1 a', 'started 1'])
    expect(events[3]).toMatchObject({ hostname: 'h', pid: 2 })
  })

  it('goes on with a new run', () => {
    const run = T + 10_000
    const story = new Story(id)
    story.read(reply([progress(1, 'a'), retry()]))
    expect(told(story, reply([], { run, text: encodePending({ id, run }) }))).toEqual(['queued 1'])
    expect(story.position).toEqual([run, 0])
    const entry = progressEntry({ attempt: 1, queued: run, started: run + 5 }, run + 6, { seq: 1, lost: 0 }, '"b"')
    const { events } = story.read(reply([entry], { run }))
    expect(short(events)).toEqual(['started 1', 'progress 1 b'])
    expect(events.every((event) => event.run === run)).toBe(true)
  })

  it('ends with an error where the result cannot be read, or is of another task, after what came before', () => {
    const text = '{"status":"SUCCESS","result":NaN,"task_id":"the-id","attempt":1,"run":0}'
    const { events, failure } = new Story(id).read(reply([progress(1, 'a')], { text }))
    expect(short(events)).toEqual(['queued 1', 'started 1', 'progress 1 a'])
    expect(failure).toMatchObject({ code: 'RESULT_UNREADABLE' })
    const other = encodeFailure({ id: 'another', run: 0, attempt: 1, error, doneAt: new Date(T) })
    expect(new Story(id).read(reply([], { text: other })).failure).toMatchObject({ code: 'RESULT_UNREADABLE' })
  })

  it('of a Python worker tells its states as they are heard, each once, and the end', () => {
    const story = new Story(id)
    const state = (status: string, result: unknown) =>
      JSON.stringify({ status, result, traceback: null, children: [], task_id: id })
    const heard = (text: string): string[] => short(story.heard(text))
    expect(heard(state('STARTED', { pid: 1 }))).toEqual(['started 1'])
    expect(heard(state('PROGRESS', 1))).toEqual(['progress 1 1'])
    expect(heard(state('PROGRESS', 1))).toEqual([])
    expect(heard(state('DOWNLOADING', 2))).toEqual(['progress 1 2'])
    expect(heard('no result')).toEqual([])
    expect(heard(JSON.stringify({ status: 'PROGRESS', result: 3, task_id: 'another' }))).toEqual([])
    // The same, when it is read.
    expect(told(story, reply([], { text: state('DOWNLOADING', 2) }))).toEqual([])
    expect(told(story, reply([], { text: state('SUCCESS', 4) }))).toEqual(['done 1'])
  })

  it('reports the length of progress that was too long', () => {
    const json = JSON.stringify('x'.repeat(MAX_ENTRY_CHARACTERS))
    const entry = progressEntry(of(), T, { seq: 1, lost: 0 }, json)
    expect(entry.length).toBeLessThan(200)
    const { events } = new Story(id).read(reply([entry]))
    expect(events.at(-1)).toMatchObject({ type: 'progress', value: undefined, tooLong: json.length })
  })

  it('takes nothing from entries that are none', () => {
    const entries = [
      '',
      'null',
      '[]',
      '{}',
      '{"type":"done","at":1,"attempt":1}',
      '{"type":"retry","at":-1,"attempt":1}',
    ]
    expect(entries.map(decodeEntry)).toEqual(entries.map(() => undefined))
    expect(told(new Story(id), reply([...entries, progress(1, 'a')]))).toEqual([
      'queued 1',
      'started 1',
      'progress 1 a',
    ])
    expect(decodeEntry('{"type":"retry","at":1,"attempt":1}')?.error).toEqual({
      ...error,
      errorClass: 'Error',
      message: '',
    })
  })
})

describe('The key of events', () => {
  /** As a cluster does. */
  const slotOf = (key: string): string => /^[^{]*\{([^}]+)\}/.exec(key)?.[1] ?? key
  it.each(['plain', 'a{b', 'a{b}c', '{a}', 'a{b}{c}', '{}a{b', 'a b:c\u{1f600}'])(
    'is in the slot of the result: %s',
    (name) => {
      const result = `celery-task-meta-${name}`
      if (name === '{}a{b') expect(hasEventsInCluster(name)).toBe(false)
      else expect([hasEventsInCluster(name), slotOf(eventsKey(name))]).toEqual([true, slotOf(result)])
    },
  )
  it('is known to be in another one', () => {
    expect(['a}b', '{}', 'a{}b}'].map(hasEventsInCluster)).toEqual([false, false, false])
  })
})
