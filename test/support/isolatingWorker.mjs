// A worker process that runs its handlers in isolates. Runs on the build: isolates need files that Node can load. Tells
// its parent what it sees, and stops when told so. argv: broker URL, results URL.
import { z } from 'zod'
import { connect, defineTask } from '../../dist/src/index.js'
import { busyFor } from './isolated.mjs'

const [broker, results] = process.argv.slice(2)
const tell = (kind, more) => process.connected && process.send({ kind, ...more })
const input = z.object({ does: z.array(z.string()), busyMs: z.number().optional() })
const module = new URL('./isolated.mjs', import.meta.url)
const retry = { maxAttempts: 2, backoff: 'fixed', initialDelayMs: 100 }

const note = (fields, message) => tell('log', { fields, message })
const logger = { debug() {}, info() {}, warn: note, error: note }
const warren = await connect({ broker, results, logger, heartbeatSeconds: 1 })
warren.on('connectionState', ({ role, state }) => tell('connection', { role, state }))
const worker = warren.worker({ service: 'isolation', concurrency: 4 })
for (const isolation of ['thread', 'process']) {
  worker.handle(defineTask({ name: `payment.isolation.${isolation}`, input, retry }), { module, isolation })
  worker.handle(defineTask({ name: `payment.limited.${isolation}`, input, timeoutMs: 2_500 }), { module, isolation })
}
worker.handle(defineTask({ name: 'payment.isolation.none', input }), ({ busyMs }) => busyFor(busyMs, 'done'))
worker.on('attemptStarted', ({ id, number }) => tell('started', { id, number }))
process.on('message', async () => {
  await worker.stop()
  await warren.close()
  process.disconnect()
})
await worker.start()
tell('ready')
