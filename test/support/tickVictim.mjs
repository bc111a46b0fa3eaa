// A worker process of a service that looks after ticks. It ends itself at a step of the first tick it gets, as the kernel
// would: argv: broker URL, results URL, service, step (see src/time/ticker.ts); 'none' to live. Runs on the build.
import { subscribe } from 'node:diagnostics_channel'
import { z } from 'zod'
import { connect, defineTask } from '../../dist/src/index.js'

const [broker, results, service, step] = process.argv.slice(2)
const idle = defineTask({ name: 'payment.victims.idle', input: z.object({}) })
subscribe('warren:tick', (tick) => {
  if (String(tick.step) === step) process.kill(process.pid, 'SIGKILL')
})
const warren = await connect({ broker, results, logger: false })
const worker = warren.worker({ service })
worker.handle(idle, () => undefined)
await worker.start()
process.stdout.write('started\n')
