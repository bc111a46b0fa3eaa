/** The result store on real servers of the test's own: which word counts, what is refused, what is waited for. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { connect } from '../../src/index.js'
import { parseResults } from '../../src/results/connection.js'
import type { Results } from '../../src/results/store.js'
import { stateOf } from '../../src/send/handle.js'
import { resultKey } from '../../src/wire/names.js'
import { encodeSuccess } from '../../src/wire/resultFormat.js'
import { doneAt, opened, say, unopened, until, type Word } from '../support/ownResults.js'
import { type OwnStore, ownCluster, ownSentinel, ownStore } from '../support/ownStore.js'

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
