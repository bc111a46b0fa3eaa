// A worker process that hangs at a unique task until it is killed: its first argument tells the parent that the handler
// runs. Runs on the build: its death must be a real process's death. argv: broker URL, results URL.
import { z } from 'zod'
import { connect, defineTask } from '../../dist/src/index.js'

const [broker, results] = process.argv.slice(2)
const task = defineTask({ name: 'payment.unique.task', input: z.any() })
const warren = await connect({ broker, results, logger: false })
const worker = warren.worker({ service: 'unique' })
worker.handle(task, () => {
  process.send?.('running')
  return new Promise(() => undefined)
})
await worker.start()
