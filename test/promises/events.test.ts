/** What happens to a task, as its callers follow it, on the real broker and store. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, type TaskEvent, type TaskEvents, type Warren } from '../../src/index.js'
import { type ClusterUrls, consuming, virtualHost } from '../support/cluster.js'

const SERVICE = 'events'
const input = z.object({ does: z.string() })
const output = z.object({ at: z.coerce.date() })
const retry = { maxAttempts: 2, initialDelayMs: 50 }
const plain = defineTask({ name: 'payment.events.plain', input, output, retry })
const tracked = defineTask({ name: 'payment.events.tracked', input, retry, trackStarted: true })

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
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
})
