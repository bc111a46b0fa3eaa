/** The result store on real servers of the test's own: which word counts, what is refused, what is waited for. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import type { Redis } from 'iovalkey'
import { beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../../cluster/index.js'
import { connect } from '../../src/index.js'
import { parseResults, type StoreClient } from '../../src/results/connection.js'
import { Results } from '../../src/results/store.js'
import { Handle, stateOf } from '../../src/send/handle.js'
import { replyChannel, resultKey } from '../../src/wire/names.js'
import {
  encodeFailure,
  encodeProgress,
  encodeRetry,
  encodeRevoked,
  encodeSuccess,
} from '../../src/wire/resultFormat.js'
import { atEnd, type OwnStore, ownCluster, ownSentinel, ownStore } from '../support/ownStore.js'

const producerId = randomUUID()

function unopened(results: string | StoreClient, ttlMs = 60_000): Results {
  const made = new Results({ target: parseResults('test', results), producerId, ttlMs, connectTimeoutMs: 5_000 })
  atEnd(() => made.close())
  return made
}

async function opened(results: string | StoreClient): Promise<Results> {
  const made = unopened(results)
  await made.open()
  return made
}

const until = (what: string, fact: () => boolean | Promise<boolean>): Promise<void> =>
  waitFor(what, async () => ((await fact()) ? undefined : 'not yet'), { timeoutMs: 20_000 })

type Word = 'SUCCESS' | 'FAILURE' | 'REVOKED' | 'RETRY' | 'PROGRESS'
const doneAt = new Date()
const error = { errorClass: 'Error', message: 'no', traceback: undefined }

function encoded(word: Word, speaker: { id: string; attempt: number; run: number }): string {
  switch (word) {
    case 'SUCCESS':
      return encodeSuccess({ ...speaker, task: 'a.b', output: 'done', doneAt })
    case 'FAILURE':
      return encodeFailure({ ...speaker, error, doneAt })
    case 'REVOKED':
      return encodeRevoked({ ...speaker, reason: 'expired', doneAt })
    case 'RETRY':
      return encodeRetry({ ...speaker, error })
    case 'PROGRESS':
      return encodeProgress({ ...speaker, task: 'a.b', progress: 1 })
  }
}

/** Stores a word for a task, by a Warren worker; the reply channel is this process's own. */
const say = async (results: Results, id: string, word: Word, attempt = 1, run = 0): Promise<boolean> => {
  const speaker = { id, attempt, run, replyTo: replyChannel(producerId) }
  return (await results.store(speaker, encoded(word, { id, attempt, run }))) === 'stored'
}

describe('Which word counts', () => {
  let store: OwnStore
  let results: Results
  beforeAll(async () => {
    store = await ownStore()
    results = await opened(store.url)
  })

  it.each<[string, [Word, number, number], [Word, number, number], 'first' | 'second']>([
    ['what a handler reports after its FAILURE', ['FAILURE', 1, 0], ['PROGRESS', 1, 0], 'first'],
    ['a RETRY after the FAILURE', ['FAILURE', 1, 0], ['RETRY', 1, 0], 'first'],
    ['PROGRESS after the task was REVOKED', ['REVOKED', 1, 0], ['PROGRESS', 2, 0], 'first'],
    ['a second FAILURE', ['FAILURE', 2, 0], ['FAILURE', 3, 0], 'first'],
    ['SUCCESS after FAILURE', ['FAILURE', 2, 0], ['SUCCESS', 1, 0], 'second'],
    ['FAILURE after SUCCESS', ['SUCCESS', 1, 0], ['FAILURE', 2, 0], 'first'],
    ['PROGRESS after the RETRY of its attempt', ['RETRY', 1, 0], ['PROGRESS', 1, 0], 'first'],
    ['PROGRESS of the next attempt', ['RETRY', 1, 0], ['PROGRESS', 2, 0], 'second'],
    ['PROGRESS of an earlier attempt', ['PROGRESS', 2, 0], ['PROGRESS', 1, 0], 'first'],
    ['PROGRESS of the same attempt', ['PROGRESS', 1, 0], ['PROGRESS', 1, 0], 'second'],
    ['a first attempt of a later run', ['FAILURE', 5, 0], ['PROGRESS', 1, 1_800_000_000_000], 'second'],
    ['the FAILURE of a later run', ['FAILURE', 5, 7], ['FAILURE', 1, 8], 'second'],
    ['PROGRESS of an earlier run', ['PROGRESS', 1, 8], ['PROGRESS', 4, 7], 'first'],
    ['SUCCESS of an earlier run', ['FAILURE', 1, 8], ['SUCCESS', 4, 7], 'second'],
    ['a later run after SUCCESS', ['SUCCESS', 1, 0], ['FAILURE', 1, 8], 'first'],
  ])('%s', async (_what, first, second, stays) => {
    const id = randomUUID()
    expect(await say(results, id, ...first)).toBe(true)
    expect(await say(results, id, ...second)).toBe(stays === 'second')
    const [status, attempt, run] = stays === 'first' ? first : second
    expect(await results.get(id)).toMatchObject({ id, status, attempt, run })
  })

  it('is decided without reading what a handler returned', async () => {
    const id = randomUUID()
    const lie = { status: 'PENDING', attempt: 9, run: 9, text: '"attempt":9,"run":9}' }
    await results.store(
      { id, attempt: 1, run: 0, replyTo: undefined },
      encodeSuccess({ id, attempt: 1, run: 0, task: 'a.b', output: lie, doneAt }),
    )
    expect(await say(results, id, 'FAILURE', 2, 10)).toBe(false)
    expect((await results.get(id))?.result).toEqual(lie)
  })

  it('of a Python worker, a later run replaces FAILURE and never SUCCESS; and what Warren stored before runs counts as run 0', async () => {
    const python = (id: string, status: string) =>
      `{"status": "${status}", "result": {"exc_type": "KeyError"}, "traceback": null, "children": [], "task_id": "${id}"}`
    const [failed, done, old] = [randomUUID(), randomUUID(), randomUUID()]
    await store.admin.set(resultKey(failed), python(failed, 'FAILURE'))
    expect(await say(results, failed, 'FAILURE', 1, 0)).toBe(false)
    expect(await say(results, failed, 'PROGRESS', 1, 8)).toBe(true)
    await store.admin.set(resultKey(done), python(done, 'SUCCESS'))
    expect(await say(results, done, 'FAILURE', 1, 8)).toBe(false)
    await store.admin.set(resultKey(old), `{"status":"PROGRESS","result":1,"task_id":"${old}","attempt":3}`)
    expect(await say(results, old, 'PROGRESS', 2, 0)).toBe(false)
    expect(await say(results, old, 'PROGRESS', 3, 0)).toBe(true)
  })

  it('replaces what is no result, whatever it is', async () => {
    const [list, text] = [randomUUID(), randomUUID()]
    await store.admin.lpush(resultKey(list), 'x')
    await store.admin.set(resultKey(text), 'hello')
    expect(await say(results, list, 'FAILURE')).toBe(true)
    expect(await say(results, text, 'FAILURE')).toBe(true)
  })

  it('begins anew with a run: whoever waits waits for it, and hears its end', async () => {
    const id = randomUUID()
    await say(results, id, 'FAILURE', 3, 0)
    await results.begin(id, 8)
    expect(await results.get(id)).toEqual({ id, status: 'PENDING', result: null, run: 8 })
    const waiting = results.wait(id, { timeoutMs: 10_000 })
    await say(results, id, 'SUCCESS', 1, 8)
    expect(await waiting).toMatchObject({ status: 'SUCCESS', run: 8 })
    await results.begin(id, 9)
    expect(await results.get(id)).toMatchObject({ status: 'SUCCESS', run: 8 })
  })

  it('leaves what is under way, and what is not there, to a run that begins', async () => {
    const [unknown, running] = [randomUUID(), randomUUID()]
    await results.begin(unknown, 8)
    expect(await results.get(unknown)).toBeUndefined()
    await say(results, running, 'PROGRESS', 1, 0)
    await results.begin(running, 8)
    expect(await results.get(running)).toMatchObject({ status: 'PROGRESS', run: 0 })
    await say(results, running, 'FAILURE', 1, 9)
    await results.begin(running, 8)
    expect(await results.get(running)).toMatchObject({ status: 'FAILURE', run: 9 })
  })

  it('survives SCRIPT FLUSH', async () => {
    await store.admin.script('FLUSH')
    const ids = Array.from({ length: 50 }, () => randomUUID())
    expect(await Promise.all(ids.map((id) => say(results, id, 'SUCCESS')))).toEqual(ids.map(() => true))
  })
})

describe('A result that cannot be read', () => {
  it.each([
    ['Python’s NaN', 'SUCCESS', '{"mean": NaN}'],
    ['an integer beyond 2^53', 'SUCCESS', '{"orderId": 9007199254740993}'],
    ['a number beyond the doubles', 'SUCCESS', '[1e400]'],
    ['Infinity in a revocation', 'REVOKED', '-Infinity'],
  ])('ends the wait at once: %s', async (_what, status, result) => {
    const { url, admin } = await shared()
    const results = await opened(url)
    const id = randomUUID()
    await admin.set(
      resultKey(id),
      `{"status": "${status}", "result": ${result}, "traceback": null, "task_id": "${id}"}`,
    )
    const unreadable = { code: 'RESULT_UNREADABLE', id }
    await expect(results.wait(id)).rejects.toMatchObject(unreadable)
    await expect(stateOf(results, id)).rejects.toMatchObject(unreadable)
  })

  it('ends no wait while it is not final', async () => {
    const { url, admin } = await shared()
    const results = await opened(url)
    const id = randomUUID()
    await admin.set(resultKey(id), `{"status": "PROGRESS", "result": NaN, "task_id": "${id}"}`)
    const waiting = results.wait(id, { timeoutMs: 10_000 })
    await admin.set(resultKey(id), `{"status": "SUCCESS", "result": 1, "task_id": "${id}"}`)
    expect((await waiting).result).toBe(1)
  })
})

let sharedStore: Promise<OwnStore> | undefined
const shared = (): Promise<OwnStore> => {
  sharedStore ??= ownStore()
  return sharedStore
}

describe('connect() says at once', () => {
  const user = async ({ admin, port }: OwnStore, ...rules: string[]): Promise<string> => {
    const name = `u${randomUUID()}`
    await admin.call('ACL', 'SETUSER', name, 'on', '>geheim', ...rules)
    return `redis://${name}:geheim@127.0.0.1:${port}`
  }

  it.each([
    ['no scripts', ['~*', '&*', '+@all', '-@scripting'], /its user lacks a right.*eval/],
    ['no writing', ['~*', '&*', '+@all', '-set'], /its user lacks a right/],
    ['no announcing', ['~*', '&*', '+@all', '-publish'], /its user lacks a right/],
    ['no channels', ['~*', 'resetchannels', '+@all'], /its user lacks a right/],
    ['no counting', ['~*', '&*', '+@all', '-incr'], /its user lacks a right.*incr/],
    ['no keys of Celery', ['~warren-*', '&*', '+@all'], /its user lacks a right/],
  ])('what the user of the store lacks: %s', async (_what, rules, sentence) => {
    const results = unopened(await user(await shared(), ...rules))
    await expect(results.open()).rejects.toMatchObject({
      code: 'STORE_REFUSES',
      retryable: false,
      message: expect.stringMatching(sentence),
    })
  })

  it('nothing, when it has what docs/guide/results.md lists', async () => {
    const row = readFileSync('docs/guide/results.md', 'utf8').match(/^\| commands \|.*$/m)?.[0] ?? ''
    const commands = [...row.matchAll(/`([A-Z]+)`/g)].map(([, name]) => `+${name?.toLowerCase()}`)
    const rules = ['~celery-task-meta-*', '~warren-*', '&celery-task-meta-*', '&warren-replies-*', '&warren-control-*']
    const results = await opened(await user(await shared(), ...rules, '-@all', ...commands))
    const id = randomUUID()
    const waiting = results.wait(id, { timeoutMs: 10_000 })
    await say(results, id, 'SUCCESS')
    expect(await waiting).toMatchObject({ status: 'SUCCESS' })
    await results.begin(id, 8)
    await results.mark(id)
    expect(await results.marked([id])).toEqual([id])
    await results.unmark(id)
    expect(await results.countRedelivery('q', id)).toBe(1)
  })

  it('that the store is in cluster mode', async () => {
    const { nodes } = await ownCluster()
    await expect(unopened(nodes[0]?.url ?? '').open()).rejects.toMatchObject({
      code: 'STORE_REFUSES',
      message: expect.stringMatching(/cluster mode; pass results: new Cluster/),
    })
  })

  it('that it is full, or a replica', async () => {
    const store = await ownStore('--maxmemory-policy', 'noeviction', '--maxmemory', '1')
    await expect(unopened(store.url).open()).rejects.toMatchObject({
      code: 'STORE_REFUSES',
      retryable: true,
      message: expect.stringMatching(/memory is full/),
    })
    const replica = await ownStore('--replicaof', '127.0.0.1', String((await shared()).port))
    await expect(unopened(replica.url).open()).rejects.toMatchObject({
      code: 'STORE_REFUSES',
      message: expect.stringMatching(/replica/),
    })
  })

  it('that the password is wrong, and never shows it', async () => {
    const url = (await user(await shared(), '~*', '&*', '+@all')).replace('geheim', 'falsch')
    const problem: unknown = await unopened(url)
      .open()
      .catch((error: unknown) => error)
    expect(problem).toMatchObject({ message: expect.stringMatching(/WRONGPASS/) })
    expect(inspect(problem, { depth: 9 })).not.toContain('falsch')
  })

  it('that results is neither an address nor a client, and shows nothing of it', async () => {
    for (const results of [
      { password: 'geheim' },
      { options: { password: 'geheim' }, duplicate: () => 1 },
      ['geheim'],
    ]) {
      const problem: unknown = await connect({ broker: 'amqp://127.0.0.1:1', results: results as never }).catch(
        (e) => e,
      )
      expect(problem).toMatchObject({ code: 'INVALID_OPTIONS', message: expect.stringMatching(/results/) })
      expect(inspect(problem, { depth: 9 })).not.toContain('geheim')
    }
  })
})

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

describe('A client of the user’s', () => {
  const all = async (results: Results): Promise<void> => {
    const ids = Array.from({ length: 50 }, () => randomUUID())
    const waiting = ids.map((id) => results.wait(id, { timeoutMs: 20_000 }))
    expect(await Promise.all(ids.map((id) => say(results, id, 'SUCCESS')))).toEqual(ids.map(() => true))
    for (const result of await Promise.all(waiting)) expect(result.status).toBe('SUCCESS')
    expect(await results.marked(ids)).toEqual([])
    await results.mark(ids[7] ?? '')
    expect(await results.marked(ids)).toEqual([ids[7]])
    expect(await results.countRedelivery('q', ids[0] ?? '')).toBe(1)
  }

  it('of a cluster: results are stored, announced, counted and read over all nodes, and after one was away', async () => {
    const { nodes, client } = await ownCluster()
    const results = await opened(client)
    await all(results)
    await nodes[1]?.process.kill()
    await nodes[1]?.process.start()
    await until('the cluster serves all slots again', async () => {
      const info = await Promise.all(nodes.map(({ admin }) => admin.call('CLUSTER', 'INFO')))
      return info.every((each) => String(each).includes('cluster_state:ok'))
    })
    await until('it stores again', () => results.available)
    await all(results)
  })

  it('of Sentinels, or their address: a failover is followed', async () => {
    const { primary, client, address } = await ownSentinel()
    await all(await opened(client))
    const results = await opened(address)
    await all(results)
    await primary.process.kill()
    const id = randomUUID()
    expect(await say(results, id, 'SUCCESS')).toBe(true)
    await all(results)
  })

  it('with a key prefix is refused', async () => {
    const { client } = await ownSentinel()
    const prefixed = client.duplicate({ keyPrefix: 'app:' })
    expect(() => parseResults('connect', prefixed)).toThrow(/without keyPrefix/)
  })
})
