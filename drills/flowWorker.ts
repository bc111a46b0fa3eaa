/**
 * A worker process of the drill `flow`. Arguments: broker address, result store address, and what it does: `hold` takes
 * members and never ends them; `run` runs them; `0` to `3` runs them and, once it is told to, kills itself at the next such
 * step of settling one (`src/flow/flowSettling.ts`). Its parent is told how many members it holds, and of each body.
 */
import { subscribe } from 'node:diagnostics_channel'
import { connect } from 'warren'
import { body, member } from './flowTasks.js'

const [broker = '', results = '', what = 'run'] = process.argv.slice(2)
/** As many unacknowledged messages as RabbitMQ lets a consumer of a quorum queue have. */
const HELD = 2_000

let armed = false
process.on('message', () => {
  armed = true
})
process.on('disconnect', () => process.exit())
subscribe('warren:flow', (event) => {
  if (armed && String((event as { step: number }).step) === what) process.kill(process.pid, 'SIGKILL')
})
const holds = what === 'hold'
const warren = await connect({ broker, results, name: `flow drill ${what}`, logger: false })
const worker = warren.worker({ service: 'drill-flow', ...(holds ? { concurrency: HELD, prefetch: HELD } : {}) })
let held = 0
let redelivered = 0
worker.handle(member, async ({ n }, attempt) => {
  if (attempt.redelivered) process.send?.({ redelivered: ++redelivered })
  if (!holds) return n
  process.send?.({ held: ++held })
  await new Promise(() => undefined)
  return n
})
if (!holds) {
  worker.handle(body, ({ of }) => {
    process.send?.({ body: true })
    return of
  })
}
await worker.start()
process.send?.({ started: true })
