/** The worker: handles tasks, serves its health, and finishes what it holds on SIGTERM and Ctrl-C. */
import { once } from 'node:events'
import { serveWorker } from 'warren'
import { open } from './connection.js'
import { welcome } from './handlers.js'
import { sendWelcome } from './tasks.js'

const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stop.abort())

const warren = await open({ connectTimeoutMs: 60_000 }) // a broker that starts at the same time takes a while
const worker = warren.worker({ service: 'mailer', concurrency: 10, declareDeadLetters: true })
worker.handle(sendWelcome, welcome)
await worker.start()
const server = await serveWorker(worker, { port: Number(process.env.PORT ?? 9000) })
console.log(`ready: ${server.url}/healthz`)

if (!stop.signal.aborted) await once(stop.signal, 'abort')
await server.close()
await warren.close() // lets the worker finish
console.log('stopped')
