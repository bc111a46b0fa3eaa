// A worker process whose handlers end it when told so, as running out of memory would. Runs on the build: its death must
// be a real process's death. argv: broker URL, results URL.
import { z } from 'zod'
import { connect, defineTask } from '../../dist/src/index.js'

const [broker, results] = process.argv.slice(2)
const input = z.object({ dies: z.boolean() })
const tasks = [
  defineTask({ name: 'payment.victims.quorum', input, queue: { type: 'quorum' } }),
  defineTask({ name: 'user.victims.classic', input, queue: { type: 'classic' } }),
]
const warren = await connect({ broker, results, logger: false })
const worker = warren.worker({ service: 'victims', concurrency: 4, deliveryLimit: 3 })
for (const task of tasks) {
  worker.handle(task, ({ dies }) => {
    if (dies) process.kill(process.pid, 'SIGKILL')
    return 'alive'
  })
}
await worker.start()
