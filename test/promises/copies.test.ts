/** The promise: a message of which there may be two copies is neither called lost nor run after it is done. */
import { connect as amqpConnect } from 'amqplib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { TcpProxy } from '../../drills/tcpProxy.js'
import { commandsExchange, connect, taskQueue, type Warren } from '../../src/index.js'
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

it('a copy that was stuck somewhere while the task was done is not run', async () => {
  const worker = warren.worker({ service: SERVICE }).handle(task, behave(seen))
  await consuming(worker)
  const handle = await warren.send(task, { does: ['return'] })
  await handle.result({ timeoutMs: 20_000 })
  const model = await amqpConnect(urls.broker)
  const channel = await model.createConfirmChannel()
  // Not marked as published again, since it is the first copy.
  channel.publish(commandsExchange('payment'), task.name, Buffer.from('[[],{"does":["return"]},{}]'), {
    ...{ contentType: 'application/json', contentEncoding: 'utf-8', correlationId: handle.id, messageId: handle.id },
    ...{ timestamp: Math.floor(Date.now() / 1000) - 10, headers: { lang: 'js', task: task.name, id: handle.id } },
  })
  await channel.waitForConfirms()
  await model.close()
  await until('an empty queue', async () => (await waiting(urls.broker, queue)) === 0)
  await worker.stop()
  expect(seen.filter(({ id }) => id === handle.id)).toHaveLength(1)
})
