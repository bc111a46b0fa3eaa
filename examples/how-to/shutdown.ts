/** A worker that finishes what it holds on SIGTERM and Ctrl-C, and stops waiting at a second Ctrl-C. */
import { setTimeout } from 'node:timers/promises'
import { connect, defineTask } from 'warren'
import { z } from 'zod'

const exportRows = defineTask({
  name: 'shop.rows.export',
  input: z.object({ pages: z.number().int() }),
  output: z.object({ exported: z.number() }),
  retry: { maxAttempts: 3 },
})

const warren = await connect({
  broker: process.env.WARREN_BROKER ?? 'amqp://admin:admin@127.0.0.1:5680',
  results: process.env.WARREN_RESULTS ?? 'redis://127.0.0.1:26040',
})
const worker = warren.worker({ service: 'exports', concurrency: 5, gracePeriodMs: 25_000 })
worker.handle(exportRows, async ({ pages }, { signal }) => {
  for (let page = 0; page < pages; page++) {
    signal.throwIfAborted() // the grace period is over: stop here, another worker runs it again
    await setTimeout(10, undefined, { signal })
  }
  return { exported: pages }
})
await worker.start()
console.log('running')

let stopping = false
for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, stop)

async function stop(): Promise<void> {
  if (stopping) return void worker.stop({ gracePeriodMs: 0 }) // a second signal: return what still runs to the queue
  stopping = true
  await warren.close() // drains the worker, then closes; Node exits when nothing is left to do
  console.log('stopped')
}
