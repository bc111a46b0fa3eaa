/** The promise: connections find another node by themselves, and drain is orderly. */
import { connect as amqpConnect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect, taskQueue, type Warren } from '../../src/index.js'
import { type BehaveTask, behave, behaveTask, type Seen } from '../support/behave.js'
import { type ClusterUrls, manage, until, virtualHost, waiting } from '../support/cluster.js'
import { cuttableProxy } from '../support/proxy.js'

const SERVICE = 'recovery'
const task = behaveTask('payment.recovery.task')
const cutOff = [1, 2, 3, 4].map((place) => behaveTask(`payment.recovery.cut${place}`))
const RESULT = { timeoutMs: 30_000 }

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
const seen: Seen[] = []

beforeAll(async () => {
  urls = await virtualHost(SERVICE, [task, ...cutOff])
  // Straight to the nodes, without HAProxy.
  warren = await connect({ broker: urls.nodes, results: urls.results, logger: false, name: SERVICE })
})
afterAll(() => warren?.close())

const connectionsOf = async (name: string) =>
  (await manage<{ name: string; user_provided_name?: string }[]>('GET', '/connections')).filter(
    (each) => each.user_provided_name?.startsWith(name) === true,
  )

describe('With several broker addresses', () => {
  it('a closed connection is opened again at another node, and the queue is consumed again', async () => {
    const worker = warren.worker({ service: SERVICE }).handle(task, behave(seen))
    await worker.start()
    const lost: string[] = []
    const opened: string[] = []
    warren.on('connectionState', ({ state, address }) => {
      if (state === 'waiting') lost.push(address)
      if (state === 'open') opened.push(address)
    })
    // RabbitMQ's statistics may be late with one of the two, or never have it.
    await until('a connection in the management API', async () => (await connectionsOf(SERVICE)).length > 0)
    const closed = await connectionsOf(SERVICE)
    for (const { name } of closed) await manage('DELETE', `/connections/${encodeURIComponent(name)}`)
    await until('each closed one is open again', () => opened.length >= closed.length)
    const handle = await warren.send(task, { does: ['return'] })
    expect(await handle.result(RESULT)).toEqual({ number: 1 })
    expect(lost).toHaveLength(closed.length)
    expect(opened).toHaveLength(closed.length)
    for (const [index, address] of opened.entries()) expect(address).not.toBe(lost[index])
    await worker.stop()
  })

  it('"connected but not consuming" does not happen: 20 lost connections, five in a row at each of four workers', async () => {
    const loseFive = async (own: BehaveTask): Promise<void> => {
      const proxy = await cuttableProxy(urls.broker)
      await using cut = await connect({ broker: proxy.through(urls.broker), results: urls.results, logger: false })
      const worker = cut.worker({ service: SERVICE }).handle(own, behave(seen))
      await worker.start()
      for (let round = 0; round < 5; round++) {
        const away = new Promise<void>((resolve) => worker.once('consumerState', () => resolve()))
        proxy.cut()
        await away
        const handle = await warren.send(own, { does: ['return'] })
        await handle.result(RESULT)
        expect(worker.health().queues[0]?.state).toBe('consuming')
      }
      await worker.stop()
      proxy.close()
    }
    // At the same time, since each loss soon after another is followed by a longer pause.
    await Promise.all(cutOff.map(loseFive))
  })

  it('a deleted queue is declared and consumed again', async () => {
    const worker = warren.worker({ service: SERVICE }).handle(task, behave(seen))
    await worker.start()
    const lost = new Promise<void>((resolve) => worker.once('consumerState', () => resolve()))
    await manage('DELETE', `/queues/${urls.vhost}/${taskQueue(task.name, SERVICE)}`)
    await lost
    await until('consuming again', () => worker.health().queues[0]?.state === 'consuming')
    const handle = await warren.send(task, { does: ['return'] })
    expect(await handle.result(RESULT)).toEqual({ number: 1 })
    await worker.stop()
  })
})

it('A queue that exists with another type: start() rejects with both types and the way out', async () => {
  const other = behaveTask('payment.recovery.other')
  const connection = await amqpConnect(urls.broker)
  const channel = await connection.createChannel()
  await channel.assertQueue(taskQueue(other.name, SERVICE), { durable: true, arguments: { 'x-queue-type': 'classic' } })
  await connection.close()
  const worker = warren.worker({ service: SERVICE }).handle(other, behave(seen))
  await expect(worker.start()).rejects.toMatchObject({ code: 'QUEUE_MISMATCH' })
  expect(worker.state).toBe('stopped')
  const again = warren.worker({ service: SERVICE }).handle(other, behave(seen))
  await expect(again.start()).rejects.toThrow(
    /exists as a classic queue.*asks for a quorum queue.*drain the queue and delete it/,
  )
})

describe('Draining', () => {
  it('gives back what was not started, and lets what runs finish', async () => {
    const handles = await Promise.all(Array.from({ length: 6 }, () => warren.send(task, { does: ['return'] })))
    let release: () => void = () => undefined
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const started: string[] = []
    const worker = warren
      .worker({ service: SERVICE, concurrency: 1, prefetch: 6 })
      .handle(task, async (_input, { id, number }) => {
        started.push(id)
        await gate
        return { number }
      })
    await worker.start()
    await until('six held', () => worker.health().held === 6)
    const stopping = worker.stop()
    await until('five given back', async () => (await waiting(urls.broker, taskQueue(task.name, SERVICE))) === 5)
    release()
    await stopping
    expect(started).toHaveLength(1)
    const next = warren.worker({ service: SERVICE }).handle(task, behave(seen))
    await next.start()
    expect(await Promise.all(handles.map((handle) => handle.result(RESULT)))).toHaveLength(6)
    await next.stop()
  })

  it('after the grace period: the rest goes back to the queue, its signal aborted', async () => {
    const handle = await warren.send(task, { does: ['return'] })
    let reason: unknown
    const worker = warren.worker({ service: SERVICE, gracePeriodMs: 200 }).handle(task, async (_input, { signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      reason = signal.reason
      throw signal.reason
    })
    await worker.start()
    await until('it runs', () => worker.health().running === 1)
    await worker.stop()
    await until('the abort', () => reason !== undefined)
    expect(reason).toMatchObject({ code: 'CLOSED' })
    const next = warren.worker({ service: SERVICE }).handle(task, behave(seen))
    await next.start()
    expect(await handle.result(RESULT)).toEqual({ number: 1 })
    await next.stop()
  })
})
