// A worker process of tasks with limits, for tests that kill and freeze it: it appends what it starts and ends to a list in
// the store. Runs on the build: its death must be a real process's death. argv: broker URL, results URL, the list.
import { Redis } from 'iovalkey'
import { z } from 'zod'
import { connect, defineTask } from '../../dist/src/index.js'

const [broker, results, list] = process.argv.slice(2)
const input = z.object({ key: z.string(), n: z.number(), ms: z.number() })
const key = (given) => given.key
const limits = {
  rate: { rate: { count: 100, perMs: 1_000 } },
  keyed: { rate: { count: 1, perMs: 1_000 }, key },
  places: { concurrency: 3, key, leaseMs: 3_000 },
}
const store = new Redis(results)
const note = (text) => store.rpush(list, text).catch(() => undefined)
const warren = await connect({ broker, results, logger: false })
const worker = warren.worker({ service: 'limitWorkers', concurrency: 20 })
for (const [name, limit] of Object.entries(limits)) {
  const task = defineTask({ name: `payment.limitWorkers.${name}`, input, limit })
  worker.handle(task, async ({ key, n, ms }, { fence = 0 }) => {
    void note(`start ${name} ${Date.now()} ${n} ${fence} ${key}`)
    if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms))
    void note(`end ${name} ${Date.now()} ${n} ${fence} ${key}`)
  })
}
const hops = {}
worker.on('limited', ({ id, action, task }) => {
  if (action === 'delayed') void note(`hop ${task} ${id}`)
})
await worker.start()
process.send?.('ready')
