/** The result store on real servers: while it is away, when another server answers in its place, and when it stores nothing. */
import { randomUUID } from 'node:crypto'
import type { Redis } from 'iovalkey'
import { describe, expect, it } from 'vitest'
import { Handle } from '../../src/send/handle.js'
import { resultKey } from '../../src/wire/names.js'
import { encodeRevoked } from '../../src/wire/resultFormat.js'
import { doneAt, opened, say, until } from '../support/ownResults.js'
import { ownSentinel, ownStore } from '../support/ownStore.js'

describe('While the store is away', () => {
  it('look-ups have a limit, waits keep their limit and signal, and what waits longer ends when it is back', async () => {
    const store = await ownStore()
    const results = await opened(store.url)
    const handle = new Handle<unknown>({ name: 'a.b', output: undefined }, randomUUID(), () => results)
    store.process.freeze()
    const [soon, aborted, later] = [randomUUID(), randomUUID(), randomUUID()]
    const waiting = results.wait(later, { timeoutMs: Number.POSITIVE_INFINITY })
    const storing = say(results, later, 'SUCCESS')
    const away = { code: 'STORE_UNREACHABLE', retryable: true }
    await Promise.all([
      expect(results.wait(soon, { timeoutMs: 100 })).rejects.toMatchObject({ code: 'RESULT_TIMEOUT' }),
      expect(results.wait(aborted, { signal: AbortSignal.timeout(100) })).rejects.toThrow(/aborted/),
      expect(results.get(soon, { timeoutMs: 100 })).rejects.toMatchObject(away),
      expect(results.mark(soon)).rejects.toMatchObject(away),
      expect(results.marked([soon])).rejects.toMatchObject(away),
      expect(results.countRedelivery('q', soon)).rejects.toMatchObject(away),
      expect(results.begin(soon, 1)).resolves.toBeUndefined(),
      expect(handle.state()).rejects.toMatchObject(away),
    ])
    store.process.thaw()
    expect(await storing).toBe(true)
    expect(await waiting).toMatchObject({ status: 'SUCCESS' })
  })

  it('says so, and that it is back', async () => {
    const store = await ownStore()
    const results = await opened(store.url)
    await store.process.kill()
    await until('it is known to be away', () => !results.available)
    await expect(results.get('x', { timeoutMs: 1 })).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    await expect(results.wait('x', { timeoutMs: 1 })).rejects.toThrow(/The result store did not answer/)
    await store.process.start()
    await until('it is known to be back', () => results.available)
  })
})

describe('Another server answers as the store', () => {
  it('results that were stored and are missing there are written again, and whoever waits gets them', async () => {
    // It keeps nothing, so that after a restart it is as another server without what the first one acknowledged.
    const store = await ownStore()
    const results = await opened(store.url)
    const restored: number[] = []
    results.on('resultsRestored', ({ count }) => restored.push(count))
    const ids = Array.from({ length: 300 }, () => randomUUID())
    const [running, cancelled, failed] = [randomUUID(), randomUUID(), randomUUID()]
    await Promise.all(ids.map((id) => say(results, id, 'SUCCESS')))
    await say(results, running, 'PROGRESS')
    await say(results, failed, 'FAILURE', 3)
    const told = encodeRevoked({ id: cancelled, attempt: 1, run: 9, reason: 'cancelled', doneAt })
    await store.admin.set(resultKey(cancelled), told.replace('"attempt":1', '"cancelled":true,"attempt":1'))
    expect(await say(results, cancelled, 'SUCCESS')).toBe(false)

    await store.process.kill()
    await store.process.start()
    await until('what was missing is back', () => restored.length > 0)
    expect(restored).toEqual([301])
    for (const result of await Promise.all(ids.map((id) => results.wait(id, { timeoutMs: 10_000 })))) {
      expect(result.status).toBe('SUCCESS')
    }
    expect(await results.get(failed)).toMatchObject({ status: 'FAILURE', attempt: 3 })
    expect(await results.get(running)).toBeUndefined()
    // Its caller was told that it is cancelled: the success that was refused then is refused still.
    expect(await results.get(cancelled)).toBeUndefined()
  })

  it('after a failover, what the replica never had is written to it', async () => {
    const { primary, replica, address } = await ownSentinel()
    const results = await opened(address)
    const restored: number[] = []
    results.on('resultsRestored', ({ count }) => restored.push(count))
    const [had, lacked] = [randomUUID(), randomUUID()]
    await say(results, had, 'SUCCESS')
    await until('the replica has it', async () => (await replica.admin.exists(resultKey(had))) === 1)
    // It may not follow any more.
    await replica.admin.config('SET', 'masterauth', 'nobody')
    await replica.admin.config('SET', 'masteruser', 'nobody')
    await primary.admin.call('CLIENT', 'KILL', 'TYPE', 'replica')
    await say(results, lacked, 'SUCCESS')
    expect(await replica.admin.exists(resultKey(lacked))).toBe(0)
    await primary.process.kill()
    await until('what was missing is back', () => restored.length > 0)
    expect(restored).toEqual([1])
    expect(await replica.admin.exists(resultKey(lacked))).toBe(1)
    expect(await results.get(lacked)).toMatchObject({ status: 'SUCCESS' })
  })

  it('the same server after a lost connection is asked for nothing', async () => {
    const store = await ownStore()
    const results = await opened(store.url)
    const id = randomUUID()
    await say(results, id, 'SUCCESS')
    await store.admin.del(resultKey(id))
    const states: string[] = []
    results.on('storeState', ({ state }) => states.push(state))
    await store.admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await until('it is back', () => states.at(-1) === 'available')
    expect(await say(results, randomUUID(), 'SUCCESS')).toBe(true)
    expect(await results.get(id)).toBeUndefined()
  })
})

describe('A store that answers and does not store', () => {
  const breaks: [string, (admin: Redis) => Promise<unknown>, (admin: Redis) => Promise<unknown>, RegExp][] = [
    [
      'full',
      (admin) => admin.config('SET', 'maxmemory', '1'),
      (admin) => admin.config('SET', 'maxmemory', '0'),
      /full/,
    ],
    [
      'too few replicas',
      (admin) => admin.config('SET', 'min-replicas-to-write', '1'),
      (admin) => admin.config('SET', 'min-replicas-to-write', '0'),
      /more replicas/,
    ],
    [
      'a right taken away',
      (admin) => admin.call('ACL', 'SETUSER', 'default', '-set'),
      (admin) => admin.call('ACL', 'SETUSER', 'default', '+set'),
      /lacks a right/,
    ],
    ['demoted', (admin) => admin.replicaof('127.0.0.1', 1), (admin) => admin.replicaof('NO', 'ONE'), /replica/],
  ]
  it.each(breaks)(
    'is not available, says why, and is found to be well by itself: %s',
    async (_what, spoil, repair, why) => {
      const store = await ownStore('--maxmemory-policy', 'noeviction')
      const results = await opened(store.url)
      const states: string[] = []
      results.on('storeState', ({ state }) => states.push(state))
      await spoil(store.admin)
      const id = randomUUID()
      await expect(say(results, id, 'SUCCESS')).rejects.toMatchObject({ code: 'STORE_REFUSES' })
      expect(results.available).toBe(false)
      expect(results.problem).toMatch(why)
      await repair(store.admin)
      await until('it stores again', () => results.available)
      expect(await say(results, id, 'SUCCESS')).toBe(true)
      expect(states.at(-1)).toBe('available')
    },
  )
})
