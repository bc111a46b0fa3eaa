// A worker process that runs the members of one flow, and ends itself at a step of settling, as the kernel would: argv:
// broker URL, results URL, a suffix of the tasks' names, step (see src/flow/flowSettling.ts); 'none' to live. Its parent
// is told of each run. Runs on the build.
import { subscribe } from 'node:diagnostics_channel'
import { z } from 'zod'
import { connect, defineTask } from '../../dist/src/index.js'

const [broker, results, suffix, at] = process.argv.slice(2)
const member = defineTask({ name: `payment.killed.member-${suffix}`, input: z.object({ n: z.number() }) })
const body = defineTask({ name: `payment.killed.body-${suffix}`, input: z.object({ of: z.array(z.number()) }) })
subscribe('warren:flow', ({ step }) => {
  if (String(step) === at) process.kill(process.pid, 'SIGKILL')
})
const warren = await connect({ broker, results, logger: false })
const worker = warren.worker({ service: 'killed' })
worker.handle(member, ({ n }) => n)
worker.handle(body, ({ of }) => {
  process.send?.('body')
  return of
})
await worker.start()
process.send?.('started')
