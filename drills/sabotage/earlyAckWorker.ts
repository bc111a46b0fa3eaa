/**
 * Sabotage: a worker that acknowledges a message before it runs it, as many task queues do by default. It exists to
 * show that a drill fails with it. Never use it.
 */
import { createServer } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { connect } from 'amqplib'
import { Redis } from 'iovalkey'
import { planService, resultKey, storeOptions } from 'warren'
import { openLedger } from '../../demo/ledger.js'
import { SERVICE, tasks } from '../../demo/tasks.js'
import { queueName } from '../broker.js'
import { QUEUE_KEYS } from '../timeline.js'

const {
  WARREN_BROKER = '',
  WARREN_RESULTS = '',
  WARREN_WORKER_NAME = '',
  WARREN_HTTP_PORT,
  WARREN_LEDGER_DIR = '',
} = process.env
const PREFETCH = 20

const store = new Redis(storeOptions(WARREN_RESULTS))
const ledger = openLedger(WARREN_LEDGER_DIR, WARREN_WORKER_NAME)
const model = await connect(WARREN_BROKER)
// It does not connect again: the launcher starts it anew.
model.on('close', () => process.exit(1))

const declaring = await model.createChannel()
const plan = planService(SERVICE, tasks)
for (const { name, type } of plan.exchanges) await declaring.assertExchange(name, type, { durable: true })
for (const { name, type } of plan.queues) {
  await declaring.assertQueue(name, { durable: true, arguments: { 'x-queue-type': type } })
}
for (const { queue, exchange, routingKey } of plan.bindings) await declaring.bindQueue(queue, exchange, routingKey)

let last: Promise<unknown> = Promise.resolve()
for (const queue of QUEUE_KEYS) {
  const channel = await model.createChannel()
  await channel.prefetch(PREFETCH)
  await channel.consume(queueName(queue), (message) => {
    if (message === null) return
    // This is the sabotage: from here on the message is in this process's memory only.
    channel.ack(message)
    last = last.then(() =>
      run(String(message.properties.headers?.id), String(message.fields.routingKey), message.content),
    )
  })
}

async function run(id: string, task: string, content: Buffer): Promise<void> {
  const [, input] = JSON.parse(content.toString('utf8')) as [unknown, { seconds: number }]
  const line = { id, task, attempt: 1 }
  ledger.write({ ...line, event: 'started' })
  await wait(input.seconds * 1000)
  const result = { status: 'SUCCESS', result: {}, traceback: null, children: [], task_id: id }
  await store.set(resultKey(id), JSON.stringify(result), 'EX', 3600)
  ledger.write({ ...line, event: 'finished', outcome: 'succeeded' })
  ledger.write({ ...line, event: 'settled', outcome: 'succeeded', settled: 'acknowledged' })
}

createServer((_request, response) => response.end('{}')).listen(Number(WARREN_HTTP_PORT), '127.0.0.1')
process.once('SIGTERM', () => void last.then(() => process.exit(0)))
