/** The promise: tasks that share a message each end in their own way, once, whatever becomes of the others and of their workers. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { connect as amqpConnect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  connect,
  defineTask,
  type Handle,
  headers,
  taskQueue,
  type Warren,
  type WorkerEvents,
} from '../../src/index.js'
import { PACK_CONTENT_TYPE } from '../../src/wire/pack.js'
import { type ClusterUrls, consuming, deadLetters, until, virtualHost, waiting } from '../support/cluster.js'
import { LIMIT, quorumVictim, SERVICE as VICTIMS } from '../support/victims.js'

const SERVICE = 'packs'
const RESULT = { timeoutMs: 30_000 }
const WORKER = fileURLToPath(new URL('../support/victimWorker.mjs', import.meta.url))
const input = z.object({ does: z.enum(['return', 'fail', 'failOnce', 'hang', 'wait']), n: z.number() })
const retry = { maxAttempts: 2, initialDelayMs: 100 }
const pack = {}
const task = (name: string, more: object = {}) =>
  defineTask({ name: `payment.packs.${name}`, input, output: z.number(), retry, pack, ...more })
const ends = task('ends', { timeoutMs: 1_000 })
const apart = task('apart')
const classic = task('classic', { queue: { type: 'classic' } })
const slow = task('slow')
const singly = task('singly')
const limited = task('limited')
const redriven = task('redriven')
const all = [ends, apart, classic, slow, singly, limited, redriven]
/** The same tasks as the victims' workers have, sent in packs: whoever reads a queue reads both. */
const victim = defineTask({ name: quorumVictim.name, input: quorumVictim.input, output: z.string(), pack })

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
/** How many tasks each confirmed message had. */
const messages: (number | undefined)[] = []

beforeAll(async () => {
  urls = await virtualHost(SERVICE, all)
  warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  warren.on('confirmed', ({ tasks }) => messages.push(tasks))
})
afterAll(() => warren?.close())

interface Ran {
  readonly n: number
  readonly number: number
  readonly redelivered: boolean
}

/** A worker that notes what it runs; `wait` ends when it is let go. */
async function worker(of: (typeof all)[number], options: { concurrency?: number } = {}) {
  const ran: Ran[] = []
  const events: WorkerEvents['pack'][0][] = []
  let letGo = (): void => undefined
  const waited = new Promise<void>((resolve) => {
    letGo = resolve
  })
  const made = warren.worker({ service: SERVICE, concurrency: 10, gracePeriodMs: 5_000, ...options })
  made.on('pack', (event) => events.push(event))
  made.handle(of, async ({ does, n }, { number, redelivered, signal }) => {
    ran.push({ n, number, redelivered })
    if (does === 'fail' || (does === 'failOnce' && number === 1)) throw new Error('told to fail')
    if (does === 'hang') await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    if (does === 'wait') await waited
    return n
  })
  await consuming(made)
  return { made, ran, events, letGo: () => letGo() }
}

/** In one turn of the event loop. */
const send = (of: (typeof all)[number], does: readonly z.infer<typeof input>['does'][], options: object[] = []) =>
  Promise.all(does.map((each, n) => warren.send(of, { does: each, n }, options[n])))

const emptied = (of: { name: string }) =>
  until(`${of.name} is empty`, async () => (await waiting(urls.broker, taskQueue(of.name, SERVICE))) === 0)

it('members succeed, are retried, dead-lettered, cancelled, expire and hang, each by itself', async () => {
  const { made, ran, events } = await worker(ends)
  await made.stop()
  messages.length = 0
  const options = [{}, {}, {}, { expires: new Date(Date.now() + 300) }, {}, { tags: ['gone'] }]
  const handles = await send(ends, ['return', 'failOnce', 'fail', 'return', 'hang', 'return', 'return'], options)
  await until('the event', () => messages.length > 0)
  expect(messages).toEqual([7])
  await handles[5]?.cancel()
  await new Promise((resolve) => setTimeout(resolve, 400))
  const again = await worker(ends)
  const ended = await Promise.all(
    handles.map((handle) => handle.result(RESULT).catch(({ code }: { code: string }) => code)),
  )
  expect(ended).toEqual([
    0,
    1,
    'TASK_FAILED',
    'TASK_FAILED',
    'TASK_FAILED',
    expect.stringMatching(/CANCELLED|TASK_FAILED/),
    6,
  ])
  const runs = (n: number): number[] => again.ran.filter((each) => each.n === n).map(({ number }) => number)
  expect([0, 1, 2, 3, 4, 5, 6].map(runs)).toEqual([[1], [1, 2], [1, 2], [], [1, 2], [], [1]])
  expect(ran).toEqual([])
  await until('nothing is held', () => again.made.health().held === 0)
  await emptied(ends)
  const dead = await deadLetters(urls.vhost, 'payment.dlq')
  const reasons = handles.map(({ id }) =>
    dead
      .filter(({ properties }) => properties.message_id === id)
      .map(({ properties }) => properties.headers?.[headers.reason]),
  )
  expect(reasons).toEqual([[], [], ['failed'], ['expired'], ['failed'], [], []])
  expect(again.events.map(({ action, tasks }) => [action, tasks])).toEqual([['opened', 7]])
  expect(events).toEqual([])
  await again.made.stop()
})

it.each([apart, classic])('$name: of a pack that comes again only what had not ended is run', async (of) => {
  const first = await worker(of)
  const handles = await send(of, ['return', 'failOnce', 'wait', 'return'])
  expect([await handles[0]?.result(RESULT), await handles[3]?.result(RESULT)]).toEqual([0, 3])
  await until('the second attempt', () => first.ran.some(({ n, number }) => n === 1 && number === 2))
  expect(await handles[1]?.result(RESULT)).toBe(1)
  // It gives back what still runs, with the whole pack.
  await first.made.stop({ gracePeriodMs: 0 })
  const second = await worker(of)
  second.letGo()
  expect(await handles[2]?.result(RESULT)).toBe(2)
  expect(second.ran.map(({ n, number }) => [n, number])).toEqual([[2, 1]])
  expect(second.events.map(({ action, tasks }) => [action, tasks])).toEqual([['takenApart', 1]])
  await until('nothing is held', () => second.made.health().held === 0)
  await emptied(of)
  await second.made.stop()
})

it('what cannot start soon goes to whoever is idle', async () => {
  const [busy, idle] = [await worker(slow, { concurrency: 1 }), await worker(slow, { concurrency: 1 })]
  const handles = await send(slow, ['wait', 'return', 'return', 'return'])
  await until('one of them has it', () => busy.ran.length + idle.ran.length > 0)
  const [holds, other] = busy.ran.length > 0 ? ([busy, idle] as const) : ([idle, busy] as const)
  expect(await Promise.all(handles.slice(1).map((handle) => handle.result(RESULT)))).toEqual([1, 2, 3])
  expect(holds.ran.map(({ n }) => n)).toEqual([0])
  expect(other.ran.map(({ n }) => n).sort()).toEqual([1, 2, 3])
  expect(holds.events.at(-1)).toMatchObject({ action: 'givenBack', tasks: 3 })
  holds.letGo()
  expect(await handles[0]?.result(RESULT)).toBe(0)
  await Promise.all([busy.made.stop(), idle.made.stop()])
})

it('a worker that stops finishes what runs, and leaves the rest to others as messages of their own', async () => {
  const first = await worker(slow, { concurrency: 1 })
  const handles = await send(slow, ['wait', 'return', 'return'])
  await until('it runs', () => first.ran.length === 1)
  const stopping = first.made.stop()
  const second = await worker(slow)
  expect(await Promise.all(handles.slice(1).map((handle) => handle.result(RESULT)))).toEqual([1, 2])
  first.letGo()
  await stopping
  expect(await handles[0]?.result(RESULT)).toBe(0)
  expect([first, second].flatMap(({ ran }) => ran.map(({ n }) => n)).sort()).toEqual([0, 1, 2])
  await second.made.stop()
})

it('what has to be alone is sent alone: delayed, unique, an id of the caller, and one that is too large', async () => {
  const { made } = await worker(singly)
  messages.length = 0
  const options = [{ delayMs: 10 }, { unique: { key: 'one', until: 'finished' } }, { id: 'my-own' }, {}, {}]
  const handles: Handle<number>[] = await send(singly, ['return', 'return', 'return', 'return', 'return'], options)
  expect(await Promise.all(handles.map((handle) => handle.result(RESULT)))).toEqual([0, 1, 2, 3, 4])
  await until('the events', () => messages.length === 4)
  expect(messages.sort()).toEqual([2, undefined, undefined, undefined])
  await made.stop()
})

it('a limit that is set while they wait is kept', async () => {
  await warren.limits.set({ task: limited }, { rate: { count: 1, perMs: 400 } })
  const { made, ran } = await worker(limited)
  const handles = await send(limited, ['return', 'return', 'return', 'return', 'return', 'return'])
  expect(await Promise.all(handles.map((handle) => handle.result(RESULT)))).toEqual([0, 1, 2, 3, 4, 5])
  expect(ran).toHaveLength(6)
  await until('nothing is held', () => made.health().held === 0)
  await emptied(limited)
  await made.stop()
  await warren.limits.clear({ task: limited })
})

it('a pack among the dead letters is one of them, and is taken apart once it is redriven', async () => {
  const first = await worker(redriven)
  await first.made.stop()
  const handles = await send(redriven, ['return', 'return', 'return'])
  const connection = await amqpConnect(urls.broker)
  const channel = await connection.createConfirmChannel()
  // Without an acknowledgement: closing the connection right after one may lose it, and the pack would come twice.
  const got = await channel.get(taskQueue(redriven.name, SERVICE), { noAck: true })
  expect(got).toMatchObject({ properties: { contentType: PACK_CONTENT_TYPE, headers: { [headers.pack]: 3 } } })
  if (got !== false) {
    const from = { [headers.exchange]: got.fields.exchange, [headers.routingKey]: got.fields.routingKey }
    const properties = { ...got.properties, headers: { ...got.properties.headers, ...from } }
    channel.publish('payment.dlx', redriven.name, got.content, properties)
    await channel.waitForConfirms()
  }
  await connection.close()
  const letters = warren.deadLetters({ domain: 'payment' })
  const isPack = async () =>
    (await deadLetters(urls.vhost, 'payment.dlq')).find(({ properties }) => properties.headers?.[headers.pack] === 3)
  await until('the dead letter', async () => (await isPack()) !== undefined)
  const id = (await isPack())?.properties.message_id as string
  const second = await worker(redriven)
  expect(await letters.redrive({ id })).toMatchObject({ done: 1 })
  expect(await Promise.all(handles.map((handle) => handle.result(RESULT)))).toEqual([0, 1, 2])
  expect(second.events).toMatchObject([{ action: 'takenApart', tasks: 3 }])
  await second.made.stop()
})

describe('A member that kills its worker', () => {
  let own: typeof urls
  let sender: Warren
  let process: ChildProcess | undefined
  let deaths = 0
  let over = false
  beforeAll(async () => {
    own = await virtualHost(VICTIMS, [quorumVictim], { [quorumVictim.name]: { deliveryLimit: LIMIT } })
    sender = await connect({ broker: own.broker, results: own.results, logger: false })
    const run = async (): Promise<void> => {
      while (!over) {
        process = fork(WORKER, [own.broker, own.results], { stdio: 'inherit' })
        await once(process, 'exit')
        deaths++
      }
    }
    void run()
    await until('a worker', async () =>
      sender.send(quorumVictim, { dies: false }).then(
        () => true,
        () => false,
      ),
    )
  })
  afterAll(async () => {
    over = true
    process?.kill('SIGKILL')
    await sender?.close()
  })

  it('is dead-lettered after its limit, and all others succeed', async () => {
    const before = deaths
    const handles = await Promise.all(
      Array.from({ length: 12 }, (_, index) => sender.send(victim, { dies: index === 5 })),
    )
    const killer = handles.splice(5, 1)[0] as (typeof handles)[number]
    expect(await Promise.all(handles.map((handle) => handle.result({ timeoutMs: 50_000 })))).toEqual(
      Array(11).fill('alive'),
    )
    const dead = async () =>
      (await deadLetters(own.vhost, 'payment.dlq')).filter(({ properties }) => properties.message_id === killer.id)
    await until('the dead letter of the killer', async () => (await dead()).length === 1)
    expect((await dead())[0]?.properties.headers?.['x-death']).toMatchObject([{ reason: 'delivery_limit' }])
    // Once as a member, then as often as a message of its own may.
    expect(deaths - before).toBe(LIMIT + 2)
  })
})
