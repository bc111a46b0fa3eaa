/**
 * A worker as a process of its own: health and metrics over HTTP, and an orderly end on SIGTERM and Ctrl-C. What it holds
 * is finished, or given back after the grace period; then it exits with 0.
 */
import { once } from 'node:events'
import { connect, defineTask, Reject, serveWorker } from 'warren'
import { z } from 'zod'

const greet = defineTask({
  name: 'user.greeting.send',
  input: z.object({ name: z.string() }),
  output: z.object({ text: z.string() }),
  retry: { maxAttempts: 5 },
  timeoutMs: 10_000,
})

const warren = await connect({
  broker: process.env.WARREN_BROKER ?? 'amqp://admin:admin@127.0.0.1:5680',
  results: process.env.WARREN_RESULTS ?? 'redis://127.0.0.1:26040',
})
const worker = warren.worker({ service: 'greeter', concurrency: 10, gracePeriodMs: 20_000 })
worker.handle(greet, async ({ name }, { signal, progress }) => {
  if (name === 'nobody') throw new Reject('there is nobody to greet') // dead-lettered at once, not retried
  await progress('looking up the language')
  signal.throwIfAborted() // pass `signal` on to fetch() and the like: it ends them when the attempt must end
  return { text: `Hello, ${name}` }
})

const stop = new AbortController()
for (const name of ['SIGTERM', 'SIGINT']) process.once(name, () => stop.abort())

await worker.start()
const server = await serveWorker(worker, { port: Number(process.env.WARREN_HTTP_PORT ?? 9000) })
console.log(`ready, see ${server.url}/healthz and ${server.url}/metrics`)

if (!stop.signal.aborted) await once(stop.signal, 'abort')
await server.close()
await warren.close() // drains the worker first
console.log('stopped')
