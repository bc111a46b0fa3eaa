/** The promise: a message of which there may be two copies is neither called lost nor run after it is done. */
import { randomUUID } from 'node:crypto'
import { connect as amqpConnect } from 'amqplib'
import { Redis } from 'iovalkey'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { TcpProxy } from '../../drills/tcpProxy.js'
import { commandsExchange, connect, headers, taskQueue, type Warren } from '../../src/index.js'
import { encode } from '../../src/wire/envelope.js'
import { behave, behaveTask, type Seen } from '../support/behave.js'
import { type ClusterUrls, consuming, manage, until, virtualHost, waiting } from '../support/cluster.js'

const SERVICE = 'copies'
const task = behaveTask('payment.copies.task')
const queue = taskQueue(task.name, SERVICE)

let urls: ClusterUrls & { readonly vhost: string }
let proxy: TcpProxy
let warren: Warren
const seen: Seen[] = []

const declare = async (): Promise<void> => {
  await using declaring = await connect({ broker: urls.broker, logger: false })
  await consuming(declaring.worker({ service: SERVICE }).handle(task, behave(seen)))
}

beforeAll(async () => {
  urls = await virtualHost(SERVICE, [task])
  await declare()
  const { hostname: host, port } = new URL(urls.broker)
  proxy = await TcpProxy.open({ host, port: Number(port) })
  warren = await connect({ broker: proxy.urlFor(urls.broker), results: urls.results, logger: false })
})
afterAll(async () => {
  await warren?.close()
  await proxy?.close()
})

/** Writes a message into the void, deletes its queue, and resets the connection, so that it is published again. */
async function sendUnheard(confirmTimeoutMs: number): Promise<Promise<unknown>[]> {
  // Its channel is open from then on.
  await warren.send(task, { does: ['return'] })
  proxy.stall()
  const sending = warren.send(task, { does: ['return'] }, { confirmTimeoutMs })
  sending.catch(() => undefined)
  await manage('DELETE', `/queues/${urls.vhost}/${queue}`)
  proxy.cut()
  return [sending]
}

/** The message of a task, as its sender first wrote it or as it wrote it again. */
async function publishCopy(id: string, options: { republished?: boolean; ageSeconds?: number }): Promise<void> {
  const { content, properties } = encode({ task: task.name, id, input: { does: ['return'] } })
  const { republished = false, ageSeconds = 0 } = options
  const model = await amqpConnect(urls.broker)
  const channel = await model.createConfirmChannel()
  channel.publish(commandsExchange('payment'), task.name, content, {
    ...properties,
    timestamp: Math.floor(Date.now() / 1000) - ageSeconds,
    headers: { ...properties.headers, ...(republished ? { [headers.republished]: true } : {}) },
  })
  await channel.waitForConfirms()
  await model.close()
}

it('a message that was written once, and then finds no queue, is unconfirmed, not unroutable', async () => {
  const [sending] = await sendUnheard(3_000)
  await expect(sending).rejects.toMatchObject({ code: 'UNCONFIRMED', written: true })
  // Its sender is told at once where nothing was ever written.
  await expect(warren.send(task, { does: ['return'] })).rejects.toMatchObject({ code: 'UNROUTABLE' })
})

it('it is confirmed all the same when its queue is back in time', async () => {
  await declare()
  const [sending] = await sendUnheard(20_000)
  await declare()
  await sending
  // The worker that declared the queue may have run it.
  await until('the message', async () => seen.length + (await waiting(urls.broker, queue)) === 1)
})

it('a message that a full queue refused, and that then finds no queue, is unconfirmed, not unroutable', async () => {
  await declare()
  const policy = `/policies/${urls.vhost}/full`
  const definition = { 'max-length': 1, overflow: 'reject-publish' }
  await manage('PUT', policy, { pattern: `^${queue}$`, definition, priority: 20, 'apply-to': 'queues' })
  const model = await amqpConnect(urls.broker)
  const channel = await model.createConfirmChannel()
  const isRefused = (): Promise<boolean> => {
    channel.sendToQueue(queue, Buffer.from('filler'))
    return channel.waitForConfirms().then(
      () => false,
      () => true,
    )
  }
  await until('a full queue', isRefused)
  const sending = warren.send(task, { does: ['return'] }, { confirmTimeoutMs: 4_000 })
  sending.catch(() => undefined)
  // Refused behind it, so that it was refused before.
  for (let probe = 0; probe < 5; probe++) expect(await isRefused()).toBe(true)
  await manage('DELETE', `/queues/${urls.vhost}/${queue}`)
  await manage('DELETE', policy)
  await model.close()
  await expect(sending).rejects.toMatchObject({ code: 'UNCONFIRMED', written: true })
  await expect(sending).rejects.toThrow(/an earlier copy may be in one/)
})

it('a copy that lay in a worker while another did the task is not run', async () => {
  await declare()
  let release = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  const ran: string[] = []
  const worker = warren.worker({ service: SERVICE, concurrency: 1, prefetch: 2 })
  worker.handle(task, async (_input, { id, number }) => {
    ran.push(id)
    await gate
    return { number }
  })
  await consuming(worker)
  const first = await warren.send(task, { does: ['return'] })
  await until('the first one to run', () => ran.includes(first.id))
  const id = randomUUID()
  await publishCopy(id, { republished: true })
  await until('the copy to lie behind it', () => worker.health().held === 2)
  // As another worker does it that had the other copy.
  const store = new Redis(urls.results)
  await store.set(`celery-task-meta-${id}`, JSON.stringify({ status: 'SUCCESS', result: { number: 1 }, task_id: id }))
  await store.quit()
  release()
  await until('nothing to be held', () => worker.health().held === 0)
  await worker.stop()
  expect(ran).not.toContain(id)
})

/** Runs what comes, `act`, and all that is in the queue. Gives the ids of what ran. */
async function ranWhile(act: () => Promise<void>): Promise<string[]> {
  const ran: string[] = []
  const worker = warren.worker({ service: SERVICE }).handle(task, (_input, { id, number }) => {
    ran.push(id)
    return { number }
  })
  await consuming(worker)
  await act()
  await until('an empty queue', async () => (await waiting(urls.broker, queue)) === 0)
  await worker.stop()
  return ran
}

it('a copy that was stuck somewhere while the task was done is not run', async () => {
  const id = randomUUID()
  const ran = await ranWhile(async () => {
    await publishCopy(id, {})
    await warren.handle(task, id).result({ timeoutMs: 20_000 })
    await publishCopy(id, { ageSeconds: 10 })
  })
  expect(ran).toEqual([id])
})

it('nor is a first copy that comes after the second, a moment after it was sent', async () => {
  const id = randomUUID()
  const ran = await ranWhile(async () => {
    await publishCopy(id, { republished: true })
    await warren.handle(task, id).result({ timeoutMs: 20_000 })
    await publishCopy(id, {})
  })
  expect(ran).toEqual([id])
})
