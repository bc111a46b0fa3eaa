/** The promise: `warren cancel`, `pause` and `resume` do what the library does, and say by their exit codes what became of it. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, taskQueue, type Warren } from '../../src/index.js'
import { type ClusterUrls, consuming, until, virtualHost } from '../support/cluster.js'
import { command, jsonLines } from '../support/command.js'
import { type OwnStore, ownStore } from '../support/ownStore.js'

const SERVICE = 'commands'
const task = defineTask({ name: 'payment.commands.plain', input: z.object({ n: z.number() }), output: z.number() })
const queue = taskQueue(task.name, SERVICE)

let urls: ClusterUrls & { readonly vhost: string }
let store: OwnStore
let warren: Warren

beforeAll(async () => {
  ;[urls, store] = await Promise.all([virtualHost(SERVICE, [task]), ownStore()])
  warren = await connect({ broker: urls.broker, results: store.url, logger: false })
  // It leaves its queue behind: what is sent waits there.
  const worker = warren.worker({ service: SERVICE })
  worker.handle(task, ({ n }) => n)
  await consuming(worker)
  await worker.stop()
})
afterAll(() => warren?.close())

const said = (...words: string[]) => command(...words, '--broker', urls.broker, '--results', store.url)
const status = async (id: string) => (await warren.state(id))?.status

it('cancel takes a task by its id, once', async () => {
  const { id } = await warren.send(task, { n: 1 })
  expect(await said('cancel', id)).toEqual({ code: 0, out: `task ${id} is cancelled\n`, err: '' })
  expect(await status(id)).toBe('REVOKED')
  const again = await said('cancel', id, '--json')
  expect([again.code, jsonLines(again.out)]).toEqual([0, [{ event: 'cancelled', id, status: 'REVOKED' }]])
})

it('cancel takes the task that holds a unique key, and frees the key', async () => {
  const unique = { key: '42' }
  const { id } = await warren.send(task, { n: 2 }, { unique })
  const key = ['--task', task.name, '--key', '42']
  const cancelled = await said('cancel', ...key, '--json')
  expect([cancelled.code, jsonLines(cancelled.out)]).toEqual([0, [{ event: 'cancelled', id, status: 'REVOKED' }]])
  expect((await warren.send(task, { n: 3 }, { unique })).id).not.toBe(id)
  expect((await said('cancel', ...key)).code).toBe(0)
  const none = await said('cancel', ...key)
  expect(none).toMatchObject({ code: 1, err: expect.stringContaining(`no task of ${task.name} holds the key 42`) })
})

it('cancel takes all tasks of a tag, or of a name', async () => {
  const tagged = await warren.send(task, { n: 4 }, { tags: ['customer:42'] })
  const byTag = await said('cancel', '--tag', 'customer:42')
  expect(byTag).toMatchObject({ code: 0, out: expect.stringContaining('all tasks of the tag customer:42') })
  const byName = await said('cancel', '--task', task.name, '--json')
  expect(jsonLines(byName.out)).toEqual([{ event: 'cancelled', task: task.name, before: expect.any(String) }])
  const ran: number[] = []
  const worker = warren.worker({ service: SERVICE })
  worker.handle(task, ({ n }) => {
    ran.push(n)
    return n
  })
  await consuming(worker)
  await until('the tagged one is dropped', async () => (await status(tagged.id)) === 'REVOKED')
  expect(await (await warren.send(task, { n: 5 })).result({ timeoutMs: 30_000 })).toBe(5)
  await worker.stop()
  expect(ran).toEqual([5])
})

it('pause keeps a queue until resume, lists it with its reason, and both say what was not so', async () => {
  expect((await said('pause')).out).toBe('no queue is paused\n')
  expect((await said('pause', queue, '--reason', 'the bank is down')).out).toBe(`${queue} is paused\n`)
  expect((await said('pause')).out).toMatch(new RegExp(`^${queue}, since .*: the bank is down\n$`))
  const listed = await said('pause', '--json')
  expect(jsonLines(listed.out)).toEqual([
    { event: 'paused', queue, since: expect.any(String), reason: 'the bank is down' },
  ])
  expect(await said('resume', queue)).toEqual({ code: 0, out: `${queue} is resumed\n`, err: '' })
  expect(await said('resume', queue)).toMatchObject({ code: 1, err: expect.stringContaining('was not paused') })
})

it.each([
  ['cancel', []],
  ['cancel', ['one', '--tag', 'two']],
  ['cancel', ['one', '--key', 'two']],
  ['cancel', ['--tag', 'one', '--key', 'two']],
  ['pause', ['--reason', 'none']],
  ['resume', []],
])('%s %j is a mistake, and nothing is done', async (name, words) => {
  expect((await said(name, ...words)).code).toBe(2)
})
