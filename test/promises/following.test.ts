/** Following tasks on real stores of the test's own: what is kept, what is gone, and what a reader leaves behind. */
import { randomUUID } from 'node:crypto'
import type { Redis } from 'iovalkey'
import { beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../../cluster/index.js'
import { parseResults, type StoreClient } from '../../src/results/connection.js'
import type { FollowOptions } from '../../src/results/follower.js'
import { EVENTS_BYTES } from '../../src/results/script.js'
import { Results } from '../../src/results/store.js'
import type { TaskEvent } from '../../src/results/taskEvent.js'
import { progressEntry } from '../../src/wire/eventEntry.js'
import { eventsKey, resultKey } from '../../src/wire/names.js'
import { encodeFailure, encodeProgress, encodeSuccess } from '../../src/wire/resultFormat.js'
import { atEnd, type OwnStore, ownCluster, ownSentinel, ownStore } from '../support/ownStore.js'
import { resourcesHeld } from '../support/resources.js'

async function opened(results: string | StoreClient): Promise<Results> {
  const target = parseResults('test', results)
  const made = new Results({ target, producerId: randomUUID(), ttlMs: 60_000, connectTimeoutMs: 5_000 })
  atEnd(() => made.close())
  await made.open()
  return made
}

const until = (what: string, fact: () => boolean | Promise<boolean>): Promise<void> =>
  waitFor(what, async () => ((await fact()) ? undefined : 'not yet'), { timeoutMs: 20_000 })

/** What a worker says of one attempt. */
class Speaker {
  readonly #results: Results
  readonly #of: { id: string; attempt: number; run: number; task: string; queued: number; started: number }
  #seq = 0

  constructor(results: Results, id: string = randomUUID(), run = 0) {
    this.#results = results
    this.#of = { id, attempt: 1, run, task: 'a.b', queued: Date.now() - 2, started: Date.now() - 1 }
  }
  get id(): string {
    return this.#of.id
  }
  progress(value: unknown): Promise<unknown> {
    const entry = progressEntry(this.#of, Date.now(), { seq: ++this.#seq, lost: 0 }, JSON.stringify(value))
    const encoded = encodeProgress({ ...this.#of, progress: value })
    return this.#results.store({ ...this.#of, replyTo: undefined }, encoded, { entry })
  }
  succeed(output: unknown = 'done'): Promise<unknown> {
    return this.#results.store(
      { ...this.#of, replyTo: undefined },
      encodeSuccess({ ...this.#of, output, doneAt: new Date() }),
    )
  }
  fail(): Promise<unknown> {
    const error = { errorClass: 'Error', message: 'no', traceback: undefined }
    return this.#results.store(
      { ...this.#of, replyTo: undefined },
      encodeFailure({ ...this.#of, error, doneAt: new Date() }),
    )
  }
}

const LIMIT = { timeoutMs: 20_000 }
async function all(results: Results, id: string, options: FollowOptions = LIMIT): Promise<TaskEvent[]> {
  const events: TaskEvent[] = []
  for await (const event of results.events.follow(id, options)) events.push(event)
  return events
}
const values = (events: readonly TaskEvent[]): unknown[] =>
  events.flatMap((event) => (event.type === 'progress' ? [event.value] : []))
const dropped = (events: readonly TaskEvent[]): number => events.reduce((sum, event) => sum + (event.dropped ?? 0), 0)
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index)
const subscribers = async (admin: Redis, id: string): Promise<number> =>
  Number(((await admin.call('PUBSUB', 'NUMSUB', resultKey(id))) as [string, number])[1])

describe('One store', () => {
  let store: OwnStore
  let writer: Results
  let reader: Results
  beforeAll(async () => {
    store = await ownStore()
    writer = await opened(store.url)
    reader = await opened(store.url)
  })

  it('keeps the last 1,000 events, for the TTL of results; a late reader is told how many are gone', async () => {
    const speaker = new Speaker(writer)
    await Promise.all(range(1, 1_100).map((value) => speaker.progress(value)))
    expect(await store.admin.xlen(eventsKey(speaker.id))).toBe(1_000)
    const ttl = await store.admin.pttl(eventsKey(speaker.id))
    expect(ttl).toBeGreaterThan(0)
    expect(ttl).toBeLessThanOrEqual(60_000)
    await speaker.succeed()
    const events = await all(reader, speaker.id)
    expect(values(events)).toEqual(range(101, 1_100))
    expect([dropped(events), events[0]?.type, events.at(-1)?.type]).toEqual([100, 'queued', 'done'])
  })

  it('keeps 256 KiB of them, and of what is too long its length', async () => {
    const speaker = new Speaker(writer)
    const large = 'x'.repeat(8_000)
    for (let count = 0; count < 100; count++) await speaker.progress(large)
    const entries = await store.admin.xrange(eventsKey(speaker.id), '-', '+')
    const size = entries.reduce((sum, [, fields]) => sum + (fields[1] ?? '').length, 0)
    expect(size).toBeLessThanOrEqual(EVENTS_BYTES)
    expect(size).toBeGreaterThan(EVENTS_BYTES - 10_000)
    await speaker.progress('y'.repeat(1_000_000))
    const events = await all(reader, speaker.id, { follow: false })
    expect(dropped(events) + values(events).length).toBe(101)
    expect(events.at(-1)).toMatchObject({ type: 'progress', value: undefined, tooLong: 1_000_002 })
    // The latest is in the result, whole.
    expect((await reader.get(speaker.id))?.result).toHaveLength(1_000_000)
  })

  it('a reader that keeps up misses nothing, however much there is, and several do not share', async () => {
    const speaker = new Speaker(writer)
    const reading = [all(reader, speaker.id), all(reader, speaker.id), all(writer, speaker.id)]
    for (let from = 1; from < 3_000; from += 100) {
      await Promise.all(range(from, from + 99).map((value) => speaker.progress(value)))
    }
    await speaker.succeed()
    for (const events of await Promise.all(reading)) {
      expect(values(events).length + dropped(events)).toBe(3_000)
      expect(events.at(-1)).toMatchObject({ type: 'done', output: 'done' })
      const numbers = values(events) as number[]
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
    }
  })

  it('whoever leaves, in whatever way, leaves nothing behind', async () => {
    const gone = (id: string) => until('its subscription ended', async () => (await subscribers(store.admin, id)) === 0)
    const speaker = new Speaker(writer)
    await speaker.progress(1)
    for await (const event of reader.events.follow(speaker.id, LIMIT)) if (event.type === 'progress') break
    await gone(speaker.id)
    // While an event is being waited for.
    const silent = randomUUID()
    const waiting = reader.events.follow(silent, {})
    const pending = waiting.next()
    await until('it listens', async () => (await subscribers(store.admin, silent)) === 1)
    expect(await waiting.return()).toEqual({ done: true, value: undefined })
    expect(await pending).toEqual({ done: true, value: undefined })
    expect(await waiting.next()).toEqual({ done: true, value: undefined })
    // By its signal, before and while it waits.
    const stop = new AbortController()
    const id = randomUUID()
    const aborted = reader.events.follow(id, { signal: stop.signal })
    const first = aborted.next()
    await until('it listens', async () => (await subscribers(store.admin, id)) === 1)
    stop.abort(new Error('no longer wanted'))
    await expect(first).rejects.toThrow('no longer wanted')
    expect(await aborted.next()).toEqual({ done: true, value: undefined })
    await expect(reader.events.follow(id, { signal: stop.signal }).next()).rejects.toThrow('no longer wanted')
    await gone(id)
    // By its time limit; and never begun.
    await expect(reader.events.follow(id, { timeoutMs: 50 }).next()).rejects.toMatchObject({ code: 'RESULT_TIMEOUT' })
    await reader.events.follow(id, LIMIT).return()
    // By an error in the loop, and by disposal.
    await expect(
      (async () => {
        for await (const { type } of reader.events.follow(speaker.id, LIMIT)) throw new Error(type)
      })(),
    ).rejects.toThrow('queued')
    {
      await using disposed = reader.events.follow(speaker.id, LIMIT)
      await disposed.next()
    }
    await gone(id)
    await gone(speaker.id)
    await until('no timer is left', () => resourcesHeld().Timeout === undefined)
  })

  it('ends with CLOSED when the store is closed, also for whoever waits', async () => {
    const closing = await opened(store.url)
    const waiting = closing.events.follow(randomUUID(), {})
    const feed = closing.events.feed({ maxBuffered: 10 })
    const pending = [waiting.next(), feed.next()]
    await feed.ready()
    closing.close()
    for (const each of pending) await expect(each).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(closing.events.follow(randomUUID(), {}).next()).rejects.toMatchObject({ code: 'CLOSED' })
    expect(() => closing.events.feed({ maxBuffered: 10 })).toThrow(/closed/)
  })

  it('of a new run, tells that one to who asks late, and goes on with it for who is there', async () => {
    const old = new Speaker(writer)
    await old.progress('old')
    const there = reader.events.follow(old.id, LIMIT)
    const [queued, started, progress] = [await there.next(), await there.next(), await there.next()]
    expect([queued, started, progress].map(({ value }) => value?.type)).toEqual(['queued', 'started', 'progress'])
    await old.fail()
    const run = Date.now()
    await writer.begin(old.id, run)
    const fresh = new Speaker(writer, old.id, run)
    await fresh.progress('new')
    await fresh.succeed()
    const late = await all(reader, old.id)
    expect(late.map(({ type }) => type)).toEqual(['queued', 'started', 'progress', 'done'])
    expect(late.every((event) => event.run === run)).toBe(true)
    const rest: TaskEvent[] = []
    for await (const event of there) rest.push(event)
    expect(rest.map(({ type, run: of }) => [type, of])).toEqual(late.map(({ type }) => [type, run]))
  })

  it('of a Python worker, follows the states that it stores', async () => {
    const id = randomUUID()
    const put = async (status: string, result: unknown) => {
      const text = JSON.stringify({ status, result, traceback: null, children: [], date_done: null, task_id: id })
      await store.admin.multi().set(resultKey(id), text).publish(resultKey(id), text).exec()
    }
    const reading = all(reader, id)
    await until('it listens', async () => (await subscribers(store.admin, id)) === 1)
    await put('STARTED', { pid: 1, hostname: 'h' })
    for (const done of range(1, 20)) await put('PROGRESS', { done })
    await put('SUCCESS', 42)
    const events = await reading
    expect(events.map(({ type }) => type)).toEqual(['started', ...range(1, 20).map(() => 'progress'), 'done'])
    expect(values(events)).toEqual(range(1, 20).map((done) => ({ done })))
    expect(events.at(-1)).toMatchObject({ status: 'SUCCESS', output: 42 })
    expect((await all(reader, id)).map(({ type }) => type)).toEqual(['done'])
  })

  it('of what cannot be read, says so; and replaces what is no stream', async () => {
    const id = randomUUID()
    await store.admin.set(resultKey(id), `{"status": "SUCCESS", "result": NaN, "task_id": "${id}"}`)
    await expect(all(reader, id)).rejects.toMatchObject({ code: 'RESULT_UNREADABLE' })
    const speaker = new Speaker(writer)
    await store.admin.set(eventsKey(speaker.id), 'no stream')
    expect(await all(reader, speaker.id, { follow: false })).toEqual([])
    expect(await speaker.progress(1)).toBe('stored')
    expect(values(await all(reader, speaker.id, { follow: false }))).toEqual([1])
  })

  it.each(['a b', 'a{b}c', '}{', '{}', '\'"\\\n', 'ü\u{1f600}', '*'])('takes any id: %s', async (name) => {
    const speaker = new Speaker(writer, `${name}-${randomUUID()}`)
    const reading = all(reader, speaker.id)
    await speaker.progress(1)
    await speaker.succeed()
    expect((await reading).map(({ type }) => type)).toEqual(['queued', 'started', 'progress', 'done'])
  })
})

describe('A store that goes away', () => {
  it('frozen and thawed: its reader goes on where it was', async () => {
    const store = await ownStore()
    const [writer, reader] = [await opened(store.url), await opened(store.url)]
    const speaker = new Speaker(writer)
    await speaker.progress(1)
    const reading = all(reader, speaker.id, { timeoutMs: 60_000 })
    await until('it listens', async () => (await subscribers(store.admin, speaker.id)) === 1)
    store.process.freeze()
    const said = [speaker.progress(2), speaker.progress(3)]
    store.process.thaw()
    await Promise.all(said)
    await speaker.progress(4)
    await speaker.succeed()
    const events = await reading
    expect([values(events), dropped(events)]).toEqual([[1, 2, 3, 4], 0])
  })

  it('killed, and back without its data: its reader goes on with what comes then, and repeats nothing', async () => {
    const store = await ownStore()
    const [writer, reader] = [await opened(store.url), await opened(store.url)]
    const speaker = new Speaker(writer)
    const events: TaskEvent[] = []
    const reading = (async () => {
      for await (const event of reader.events.follow(speaker.id, { timeoutMs: 60_000 })) events.push(event)
    })()
    for (const value of range(1, 5)) await speaker.progress(value)
    await until('five were read', () => values(events).length === 5)
    const feed = reader.events.feed({ maxBuffered: 10 })
    await feed.ready()
    await store.process.kill()
    await until('it is away', () => !reader.available)
    await store.process.start()
    await until('it is back', () => writer.available && reader.available)
    await until('it listens again', async () => Number(await store.admin.call('PUBSUB', 'NUMPAT')) === 1)
    for (const value of range(6, 7)) await speaker.progress(value)
    await speaker.succeed()
    await reading
    expect(values(events)).toEqual(range(1, 7))
    expect(events.map(({ type }) => type).filter((type) => type !== 'progress')).toEqual(['queued', 'started', 'done'])
    expect(await feed.next()).toMatchObject({ value: { type: 'progress', value: 6, interrupted: true } })
    expect((await feed.next()).value).not.toHaveProperty('interrupted')
    await feed.return()
  })

  it('without following, is an error', async () => {
    const store = await ownStore()
    const reader = await opened(store.url)
    await store.process.kill()
    await until('it is away', () => !reader.available)
    await expect(all(reader, randomUUID(), { follow: false })).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
  })
})

describe('A client of the user’s', () => {
  const both = async (results: Results, id: string): Promise<void> => {
    const speaker = new Speaker(results, id)
    const reading = all(results, speaker.id)
    await speaker.progress(1)
    await speaker.progress(2)
    await speaker.succeed()
    const events = await reading
    expect(events.at(-1)?.type).toBe('done')
    expect(values(events)).toEqual([1, 2])
    expect(values(await all(results, id))).toEqual([1, 2])
  }

  it('of a cluster: events are kept and followed over all nodes, and of all tasks', async () => {
    const { client } = await ownCluster()
    const results = await opened(client)
    const feed = results.events.feed({ types: ['done'], maxBuffered: 100 })
    await feed.ready()
    const ids = [...range(1, 12).map(() => randomUUID()), 'a{b}c', 'a{b', '{x}']
    await Promise.all(ids.map((id) => both(results, id)))
    const seen = new Set<string>()
    for await (const { id } of feed) if (seen.add(id).size === ids.length) break
    expect([...seen].sort()).toEqual([...ids].sort())
    // Its slot cannot be that of its result: no stream, and an end all the same.
    const speaker = new Speaker(results, 'a}b')
    const reading = all(results, speaker.id)
    await speaker.progress(1)
    await speaker.succeed()
    expect((await reading).at(-1)?.type).toBe('done')
  })

  it('of Sentinels: a failover is followed', async () => {
    const { primary, client } = await ownSentinel()
    const results = await opened(client)
    const speaker = new Speaker(results)
    const reading = all(results, speaker.id, { timeoutMs: 60_000 })
    await speaker.progress(1)
    await primary.admin.call('WAIT', '1', '5000')
    await primary.process.kill()
    await speaker.progress(2)
    await speaker.succeed()
    const events = await reading
    expect(values(events)).toEqual([1, 2])
    expect(events.at(-1)?.type).toBe('done')
  })
})

describe('All tasks', () => {
  let store: OwnStore
  let results: Results
  beforeAll(async () => {
    store = await ownStore()
    results = await opened(store.url)
  })

  it('are told live, with a bound and a count of what is gone', async () => {
    const feed = results.events.feed({ maxBuffered: 10 })
    await feed.ready()
    const speaker = new Speaker(results)
    await Promise.all(range(1, 25).map((value) => speaker.progress(value)))
    await new Speaker(results).fail()
    await until('all were heard', async () => {
      await results.get(speaker.id)
      return true
    })
    const events: TaskEvent[] = []
    for await (const event of feed) {
      events.push(event)
      if (event.type === 'done') break
    }
    expect(values(events).length + dropped(events)).toBe(25)
    expect(events.at(-1)).toMatchObject({ status: 'FAILURE', task: 'a.b', error: { message: 'no' } })
    await until('its connection ended', async () => Number(await store.admin.call('PUBSUB', 'NUMPAT')) === 0)
  })

  it('can be those of one task, or of one type; what cannot be read is counted', async () => {
    const named = results.events.feed({ taskName: 'a.c', maxBuffered: 10 })
    const done = results.events.feed({ types: ['done'], maxBuffered: 10 })
    await Promise.all([named.ready(), done.ready()])
    const id = randomUUID()
    await store.admin.publish(resultKey(id), `{"status": "SUCCESS", "result": NaN, "task_id": "${id}"}`)
    await store.admin.publish(resultKey(id), 'no result')
    const speaker = new Speaker(results)
    await speaker.progress(1)
    await speaker.succeed()
    expect(await done.next()).toMatchObject({ value: { id: speaker.id, type: 'done', dropped: 1 } })
    const stop = named.next()
    await named.return()
    expect(await stop).toEqual({ done: true, value: undefined })
    await done.return()
  })

  it('are refused to a user without the right, and so is writing events', async () => {
    const rights = [
      'on',
      '>pw',
      '~celery-task-meta-*',
      '~warren-*',
      '&celery-task-meta-*',
      '&warren-replies-*',
      '+@all',
    ]
    await store.admin.call('ACL', 'SETUSER', 'deaf', ...rights, '-psubscribe')
    await store.admin.call('ACL', 'SETUSER', 'mute', ...rights, '-xadd')
    const deaf = await opened(`redis://deaf:pw@127.0.0.1:${store.port}`)
    const feed = deaf.events.feed({ maxBuffered: 10 })
    await expect(feed.next()).rejects.toMatchObject({ code: 'STORE_REFUSES' })
    await expect(opened(`redis://mute:pw@127.0.0.1:${store.port}`)).rejects.toMatchObject({ code: 'STORE_REFUSES' })
    // Those of docs/guide/results.md.
    const commands =
      'eval evalsha set get mget getrange del incr pexpire xadd xrange xrevrange xlen publish subscribe unsubscribe psubscribe ping select info'
    await store.admin.call(
      'ACL',
      'SETUSER',
      'just',
      ...rights.slice(0, -1),
      '-@all',
      ...commands.split(' ').map((each) => `+${each}`),
    )
    const just = await opened(`redis://just:pw@127.0.0.1:${store.port}`)
    const speaker = new Speaker(just)
    const large = 'x'.repeat(8_000)
    for (let count = 0; count < 50; count++) await speaker.progress(large)
    await speaker.succeed()
    expect((await all(just, speaker.id)).at(-1)?.type).toBe('done')
    await just.events.feed({ maxBuffered: 1 }).ready()
  })
})
