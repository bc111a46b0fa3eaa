// Sends N tasks from a generator and prints the heap in use, after a collection, at 10,000 and at each tenth from there.
// Runs on the build, as `node --expose-gc`, so that what it measures is the library and nothing of the test runner.
// argv: broker URL, N.
import { z } from 'zod'
import { connect, defineTask } from '../../dist/src/index.js'

const [broker, count] = [process.argv[2], Number(process.argv[3])]
const task = defineTask({ name: 'payment.many.task', input: z.object({ n: z.number(), text: z.string() }) })
const warren = await connect({ broker, logger: false })
const heap = []
const used = () => {
  globalThis.gc()
  return process.memoryUsage().heapUsed
}
function* inputs() {
  for (let n = 0; n < count; n++) {
    if (n >= 10_000 && (n - 10_000) % Math.ceil((count - 10_000) / 10) === 0) heap.push(used())
    yield { n, text: 'some text that a task carries along' }
  }
}
const started = Date.now()
const summary = await warren.sendMany(task, inputs())
heap.push(used())
await warren.close()
console.log(
  JSON.stringify({ ...summary, seconds: (Date.now() - started) / 1000, heap, rss: process.memoryUsage().rss }),
)
