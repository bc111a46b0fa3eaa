/**
 * The ceiling: amqplib alone, as well as one writes it by hand. Pipelined confirms in a window as large as Warren's; a
 * worker that holds 200 messages, stores one result for each with a time to live, announces it on the client's channel
 * (both in one round trip with whatever else is on its way), and then acknowledges it. It has no validation, no retries,
 * no dead letters, no reconnecting, no way to find a result that was not announced.
 */
import { randomUUID } from 'node:crypto'
import { type ConsumeMessage, connect } from 'amqplib'
import { Redis } from 'iovalkey'
import { commandsExchange, taskQueue } from 'warren'
import { Finals } from './finals.js'
import {
  type BenchClient,
  type BenchWorker,
  DOMAIN,
  type Load,
  type NodeRival,
  pause,
  SERVICE,
  type Setup,
  textOfBytes,
} from './rival.js'

const WINDOW = 1_000
const PREFETCH = 200
const RESULT_TTL_MS = 24 * 60 * 60 * 1000

/** How a client writes a message: its body, and what its properties have beside id and reply channel. */
type Wire = (task: string, id: string, input: object) => { readonly content: Buffer; readonly properties: object }

const plain: Wire = (_task, _id, input) => ({ content: Buffer.from(JSON.stringify(input)), properties: {} })

/** The same bytes as Warren's, which are Celery's message protocol 2. */
const celeryWire: Wire = (task, id, input) => ({
  content: Buffer.from(JSON.stringify([[], input, { callbacks: null, errbacks: null, chain: null, chord: null }])),
  properties: {
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    correlationId: id,
    timestamp: Math.floor(Date.now() / 1000),
    headers: { lang: 'js', task, id },
  },
})

async function client({ broker, results, tasks }: Setup, wire: Wire): Promise<BenchClient> {
  const connection = await connect(broker, { noDelay: true })
  const channel = await connection.createConfirmChannel()
  const announcements = new Redis(results)
  const replyTo = `bench:${randomUUID()}`
  const finals = new Finals()
  await announcements.subscribe(replyTo)
  announcements.on('message', (_channel, text: string) => {
    const { id } = JSON.parse(text) as { id: string }
    finals.ended(id)
  })
  let inFlight = 0
  let room: (() => void) | undefined
  let failure: unknown
  const until = async (free: () => boolean) => {
    while (!free()) await new Promise<void>((resolve) => (room = resolve))
    if (failure !== undefined) throw failure
  }
  const send = (task: string, id: string, text: string, ms: number) => {
    const { content, properties } = wire(task, id, { text, ms })
    inFlight++
    channel.publish(
      commandsExchange(DOMAIN),
      task,
      content,
      { ...properties, persistent: true, mandatory: true, messageId: id, replyTo },
      (error) => {
        inFlight--
        failure ??= error ?? undefined
        room?.()
      },
    )
  }
  const sendAll = async ({ count, bytes, ms }: Load, onSend: (id: string) => void) => {
    const text = textOfBytes(bytes)
    for (let index = 0; index < count; index++) {
      if (inFlight >= WINDOW) await until(() => inFlight < WINDOW)
      const id = randomUUID()
      onSend(id)
      send(tasks[index % tasks.length] as string, id, text, ms)
    }
    await until(() => inFlight === 0)
  }
  return {
    publish: (load) => sendAll(load, () => {}),
    async roundTrip(load) {
      await sendAll(load, (id) => finals.expect(id))
      await finals.all()
    },
    async call({ bytes, ms }) {
      const id = randomUUID()
      const done = finals.of(id)
      send(tasks[0] as string, id, textOfBytes(bytes), ms)
      await done
    },
    async close() {
      announcements.disconnect()
      await connection.close()
    },
  }
}

async function worker(
  { broker, results, tasks, tasksAre }: Setup,
  began: () => void,
  storesResults: boolean,
): Promise<BenchWorker> {
  const connection = await connect(broker, { noDelay: true })
  const channel = await connection.createChannel()
  const store = storesResults ? new Redis(results, { enableAutoPipelining: true, noDelay: true }) : undefined
  await channel.prefetch(tasksAre === 'short' ? PREFETCH : 1)
  const run = async (message: ConsumeMessage) => {
    began()
    const { ms } = JSON.parse(message.content.toString()) as { text: string; ms: number }
    await pause(ms)
    if (store !== undefined) {
      const { messageId: id, replyTo } = message.properties as { messageId: string; replyTo: string }
      const result = JSON.stringify({ id, status: 'SUCCESS', result: { ok: true }, doneAt: new Date().toISOString() })
      await Promise.all([store.set(`bench:${id}`, result, 'PX', RESULT_TTL_MS), store.publish(replyTo, result)])
    }
    channel.ack(message)
  }
  for (const task of tasks) {
    await channel.consume(taskQueue(task, SERVICE), (message) => void (message !== null && run(message)))
  }
  return {
    async close() {
      store?.disconnect()
      await connection.close()
    },
  }
}

const withPlainWire = (setup: Setup) => client(setup, plain)

export const bare: NodeRival = { client: withPlainWire, worker: (setup, began) => worker(setup, began, true) }
export const bareWithoutResults: NodeRival = {
  client: withPlainWire,
  worker: (setup, began) => worker(setup, began, false),
}
/** Publishes only. */
export const bareOnCeleryWire: NodeRival = {
  client: (setup) => client(setup, celeryWire),
  worker: () => Promise.reject(new Error('it has no worker')),
}
