/** What happens to a task, as its callers follow it, on the real broker and store. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, type TaskEvent, type TaskEvents, type Warren } from '../../src/index.js'
import { type ClusterUrls, consuming, testCluster, until, virtualHost, waiting } from '../support/cluster.js'
import { command, jsonLines } from '../support/command.js'

const SERVICE = 'events'
const input = z.object({ does: z.string() })
const output = z.object({ at: z.coerce.date() })
const retry = { maxAttempts: 2, initialDelayMs: 50 }
const plain = defineTask({ name: 'payment.events.plain', input, output, retry })
const tracked = defineTask({ name: 'payment.events.tracked', input, retry, trackStarted: true })

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
/** How many of the tests' tasks wait for an hour. */
let delayed = 0
/** Whether handlers of `does: 'once'` fail. */
let failing = true
/** What a handler of `does: 'wait …'` waits for, by what it does. */
const gates = new Map<string, { opened: Promise<void>; open: () => void }>()

function gate(name: string) {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  gates.set(name, { opened, open })
  return { does: `wait ${name}`, open }
}

beforeAll(async () => {
  urls = await virtualHost(SERVICE, [plain, tracked])
  warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  const worker = warren.worker({ service: SERVICE, concurrency: 20 })
  const handler = async (
    { does }: { does: string },
    { number, progress }: { number: number; progress(value: unknown): Promise<void> },
  ) => {
    const [what, name = ''] = does.split(' ')
    await progress({ number })
    if (what === 'wait') await gates.get(name)?.opened
    if (what === 'many') for (let done = 1; done <= Number(name); done++) void progress({ done })
    if (what === 'large') await progress('x'.repeat(1_000_000))
    if (what === 'retry' && number === 1) throw new TypeError('told to fail')
    if (what === 'once' && failing) throw new TypeError('told to fail')
    if (what === 'fail') throw new TypeError('told to fail')
    return { at: '2026-01-02T03:04:05.678Z' }
  }
  worker.handle(plain, handler as never).handle(tracked, handler as never)
  await consuming(worker)
})
afterAll(() => warren?.close())

async function all<Output>(events: TaskEvents<Output>): Promise<TaskEvent<Output>[]> {
  const found: TaskEvent<Output>[] = []
  for await (const event of events) found.push(event)
  return found
}
const types = (events: readonly TaskEvent[]): string[] => events.map(({ type, attempt }) => `${type} ${attempt}`)
const LIMIT = { timeoutMs: 20_000 }

describe('The events of one task', () => {
  it('come in order, to their end, with the output that the schema makes', async () => {
    const handle = await warren.send(plain, { does: 'return' })
    const events = await all(handle.events(LIMIT))
    expect(types(events)).toEqual(['queued 1', 'started 1', 'progress 1', 'done 1'])
    expect(events.every(({ id, run }) => id === handle.id && run === 0)).toBe(true)
    expect(events.at(-1)).toMatchObject({ status: 'SUCCESS', output: { at: new Date('2026-01-02T03:04:05.678Z') } })
    expect(events[2]).toMatchObject({ value: { number: 1 } })
    const times = events.map(({ at }) => at.getTime())
    expect(times).toEqual([...times].sort((a, b) => a - b))
  })

  it('are the same for one who asks late, in another process, and for several', async () => {
    const handle = await warren.send(plain, { does: 'retry' })
    const live = await all(handle.events(LIMIT))
    expect(types(live)).toEqual(['queued 1', 'started 1', 'progress 1', 'retry 1', 'started 2', 'progress 2', 'done 2'])
    expect(live[3]).toMatchObject({ error: { errorClass: 'TypeError', message: 'told to fail' } })
    await using other = await connect({ broker: urls.broker, results: urls.results, logger: false })
    const late = other.handle(plain, handle.id)
    expect(await Promise.all([all(late.events(LIMIT)), all(late.events({ follow: false }))])).toEqual([live, live])
    expect(types(await all(other.eventsOf(handle.id)))).toEqual(types(live))
  })

  it('of a failure end with its error', async () => {
    const handle = await warren.send(plain, { does: 'fail' })
    const events = await all(handle.events(LIMIT))
    expect(types(events).at(-1)).toBe('done 2')
    expect(events.at(-1)).toMatchObject({
      status: 'FAILURE',
      error: { errorClass: 'TypeError', message: 'told to fail' },
    })
  })

  it('are live: started is told when the handler begins, of a task that says so', async () => {
    const { does, open } = gate(randomUUID())
    const handle = await warren.send(tracked, { does })
    const events = handle.events(LIMIT)
    const first = await Promise.all([events.next(), events.next(), events.next()])
    expect(types(first.map(({ value }) => value as TaskEvent))).toEqual(['queued 1', 'started 1', 'progress 1'])
    expect(first[1]?.value).toMatchObject({ pid: process.pid })
    open()
    expect(await events.next()).toMatchObject({ done: false, value: { type: 'done', status: 'SUCCESS' } })
    expect(await events.next()).toEqual({ done: true, value: undefined })
  })

  it('are bounded, whatever the handler reports, and the last one is whole in the state', async () => {
    const large = await warren.send(plain, { does: 'large' })
    const events = await all(large.events(LIMIT))
    expect(events.filter(({ type }) => type === 'progress')).toMatchObject([
      { value: { number: 1 } },
      { value: undefined, tooLong: 1_000_002 },
    ])
    const many = await warren.send(plain, { does: 'many 1500' })
    await many.result(LIMIT)
    const late = await all(many.events(LIMIT))
    const reports = late.filter(({ type }) => type === 'progress')
    const gone = late.reduce((sum, event) => sum + (event.dropped ?? 0), 0)
    expect(reports.length + gone).toBe(1_501)
    expect(reports.length).toBeLessThanOrEqual(1_000)
    expect(late.at(-1)?.type).toBe('done')
  })

  it('of a redriven task are those of its new run', async () => {
    failing = true
    const handle = await warren.send(plain, { does: 'once' })
    const first = await all(handle.events(LIMIT))
    expect(first.at(-1)).toMatchObject({ type: 'done', status: 'FAILURE', run: 0 })
    failing = false
    const letters = warren.deadLetters({ domain: 'payment' })
    await letters.redrive({ id: handle.id })
    const again = await all(handle.events(LIMIT))
    expect(types(again)).toEqual(['queued 1', 'started 1', 'progress 1', 'done 1'])
    expect(again.at(-1)).toMatchObject({ status: 'SUCCESS' })
    const runs = new Set(again.map((event) => event.run))
    expect([runs.size, runs.has(0)]).toEqual([1, false])
    expect(again[0]?.at.getTime()).toBeGreaterThanOrEqual(first.at(-1)?.at.getTime() ?? 0)
  })

  it('of a task that is cancelled end with REVOKED, after what came before, for who is there and who asks late', async () => {
    const { does, open } = gate(randomUUID())
    const handle = await warren.send(tracked, { does })
    const events = handle.events(LIMIT)
    const there = [await events.next(), await events.next(), await events.next()].map(({ value }) => value as TaskEvent)
    expect(await handle.cancel()).toMatchObject({ outcome: 'cancelled' })
    there.push(...(await all(events)))
    open()
    expect(types(there)).toEqual(['queued 1', 'started 1', 'progress 1', 'done 1'])
    expect(there.at(-1)).toMatchObject({ status: 'REVOKED', run: 0, error: { message: 'cancelled' } })
    expect(types(await all(warren.handle(tracked, handle.id).events(LIMIT)))).toEqual(types(there))
  })

  it('of a task that nobody runs end with the time limit, after queued, and with the signal', async () => {
    await using stopped = await connect({ broker: urls.broker, results: urls.results, logger: false })
    const late = await stopped.send(plain, { does: 'return' }, { delayMs: 3_600_000 })
    delayed++
    const events = late.events({ timeoutMs: 300 })
    expect(await events.next()).toMatchObject({ value: { type: 'queued' } })
    await expect(events.next()).rejects.toMatchObject({ code: 'RESULT_TIMEOUT' })
    await expect(all(warren.handle(plain, 'never-sent').events({ timeoutMs: 50 }))).rejects.toThrow(/never-sent/)
    await expect(all(late.events({ signal: AbortSignal.timeout(50) }))).rejects.toThrow(/timeout/)
    expect(await all(warren.eventsOf('never-sent', { follow: false }))).toEqual([])
    const pending = all(late.events())
    await stopped.close()
    await expect(pending).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('are refused with what was expected', async () => {
    const handle = warren.handle(plain, 'some-id')
    expect(() => handle.events({ timeoutMs: -1 })).toThrow(/expected `timeoutMs`/)
    expect(() => handle.events({ until: 1 } as never)).toThrow(/unknown option `until`/)
    expect(() => warren.eventsOf('')).toThrow(/expected the id/)
    expect(() => warren.events({ types: ['queued'] as never })).toThrow(/'started', 'progress'/)
    expect(() => warren.events({ task: {} as never })).toThrow(/expected `task` to be a task/)
    await using storeless = await connect({ broker: urls.broker, logger: false })
    expect(() => storeless.handle(plain, 'some-id').events()).toThrow(/need a store/)
    expect(() => storeless.events()).toThrow(/need a store/)
  })
})

it('The events of all tasks come in another process, with their tasks', async () => {
  await using other = await connect({ broker: urls.broker, results: urls.results, logger: false })
  const events = other.events({ task: plain, types: ['done', 'retry'] })
  await events.ready()
  const [failed, done] = [await warren.send(plain, { does: 'fail' }), await warren.send(plain, { does: 'return' })]
  await warren.send(tracked, { does: 'return' })
  const seen: string[] = []
  for await (const event of events) {
    expect(event.task).toBe(plain.name)
    if (event.type !== 'done') continue
    seen.push(`${event.id} ${event.status} ${event.queue ?? ''}`)
    if (seen.length === 2) break
  }
  expect(seen.sort()).toEqual(
    [`${failed.id} FAILURE ${plain.name}.${SERVICE}`, `${done.id} SUCCESS ${plain.name}.${SERVICE}`].sort(),
  )
})

describe('The command', () => {
  const servers = (): string[] => ['--broker', urls.broker, '--results', urls.results]

  it('`warren task` shows the state and the events, and follows', async () => {
    const handle = await warren.send(plain, { does: 'retry' })
    const followed = await command('task', handle.id, '--follow', '--json', ...servers())
    expect(followed).toMatchObject({ code: 0, err: '' })
    const events = ['queued', 'started', 'progress', 'retry', 'started', 'progress', 'done']
    // It knows of the task once a worker has spoken.
    expect(jsonLines(followed.out).map(({ event }) => event)).toEqual(events)
    const shown = await command('task', handle.id, '--json', ...servers())
    expect(jsonLines(shown.out).map(({ event }) => event)).toEqual(['state', ...events])
    expect(jsonLines(shown.out)[0]).toMatchObject({ status: 'SUCCESS', attempt: 2, task: plain.name, id: handle.id })
    const text = (await command('task', handle.id, ...servers())).out
    expect(text).toMatch(/^state {5}SUCCESS$/m)
    expect(text).toMatch(/ {2}retry {4}attempt 1 {2}TypeError: told to fail; the next attempt is due \d+ ms later$/m)
    const failed = await warren.send(plain, { does: 'fail' })
    expect((await command('task', failed.id, '--follow', ...servers())).code).toBe(1)
    const unknown = await command('task', 'a\u001b[2Jb', ...servers())
    expect(unknown.code).toBe(1)
    expect(unknown.err).toBe(
      'warren task: the store has no task a\\x1b[2Jb: it has not begun, asked for no result, or its result has expired\n',
    )
  })

  it('`warren queues` shows what is ready, running, delayed and dead, and what is not known', async () => {
    const management = testCluster()
      .management.map((each) => each.replace('://', '://admin:admin@'))
      .join(',')
    const { does, open } = gate(randomUUID())
    const running = await warren.send(tracked, { does })
    onTestFinished(open)
    const counts = async (...more: string[]) => {
      const { code, out, err } = await command(
        ...['queues', '--json', '--broker', urls.broker, '--management', management, ...more],
      )
      expect([code, err]).toEqual([0, ''])
      return jsonLines(out)
    }
    const ofQueue = (found: readonly Record<string, unknown>[], task: { name: string }) =>
      found.find(({ queue }) => queue === `${task.name}.${SERVICE}`)
    let found: Record<string, unknown>[] = []
    let dead = 0
    // The management API's counts are seconds old, and a failed task's letter comes after its event.
    await until('RabbitMQ counts it', async () => {
      ;[found, dead] = [await counts(), await waiting(urls.broker, 'payment.dlq')]
      const died = found.find(({ queue }) => queue === 'payment.dlq')?.dead
      return ofQueue(found, tracked)?.running === 1 && died === dead && found.at(-1)?.delayed === delayed
    })
    expect(dead).toBeGreaterThan(0)
    // Those of a test above are delayed: of which queue, RabbitMQ does not tell.
    expect(ofQueue(found, tracked)).toMatchObject({ ready: 0, running: 1, delayed: null, dead: 0 })
    expect(ofQueue(found, plain)).toMatchObject({ ready: 0, running: 0, delayed: null, dead })
    expect(ofQueue(await counts('--no-dead'), plain)).toMatchObject({ dead: null })
    expect(found.at(-1)).toEqual({ event: 'delayed', delayed, unroutable: 0 })
    open()
    await running.result(LIMIT)
    const away = await command('queues', '--broker', urls.broker, '--management', 'http://127.0.0.1:1')
    expect(away.code).toBe(1)
    expect(away.err).toMatch(/^warren queues: RabbitMQ's management API did not answer/)
  })
})
