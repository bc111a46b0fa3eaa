/** The worker: handles tasks, keeps a schedule, serves its health, and finishes what it holds on SIGTERM. */
import { once } from 'node:events'
import { connect, serveWorker } from 'warren'
import { report, sum } from './handlers.js'
import { makeReport, sumUp } from './tasks.js'

const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stop.abort())

const warren = await connect({
  broker: process.env.WARREN_BROKER ?? 'amqp://guest:guest@127.0.0.1:5672',
  results: process.env.WARREN_RESULTS ?? 'redis://127.0.0.1:6379',
})
const worker = warren.worker({ service: 'reports', concurrency: 5, declareDeadLetters: true })
worker.handle(makeReport, report).handle(sumUp, sum)
await worker.start()
await warren.schedules().upsert('monthly', {
  task: makeReport,
  input: { month: '2030-01' },
  cron: '0 6 1 * *', // at six on the first of each month
  timeZone: 'Europe/Berlin',
})
const server = await serveWorker(worker, { port: Number(process.env.PORT ?? 9000) })
console.log(`ready: ${server.url}/healthz`)

if (!stop.signal.aborted) await once(stop.signal, 'abort')
await server.close()
await warren.close() // lets the worker finish
