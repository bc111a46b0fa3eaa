// A worker that runs the members of one flow, in a thread that ends itself at a step of settling, at once and in the middle
// of it, as a process would that is killed. workerData: broker and results URL, a suffix of the tasks' names, the step (see
// src/flow/flowSettling.ts). Its parent is told when it consumes, and of each body that it runs. Runs on the build.
import { subscribe } from 'node:diagnostics_channel'
import { parentPort, workerData } from 'node:worker_threads'
import { z } from 'zod'
import { connect, defineTask } from '../../dist/src/index.js'

const { broker, results, suffix, at } = workerData
const member = defineTask({ name: `payment.killed.member-${suffix}`, input: z.object({ n: z.number() }) })
const body = defineTask({ name: `payment.killed.body-${suffix}`, input: z.object({ of: z.array(z.number()) }) })
subscribe('warren:flow', ({ step }) => {
  if (step === at) process.exit()
})
const warren = await connect({ broker, results, logger: false })
const worker = warren.worker({ service: 'killed' })
worker.handle(member, ({ n }) => n)
worker.handle(body, ({ of }) => {
  parentPort.postMessage('body')
  return of
})
await worker.start()
parentPort.postMessage('started')
