// Sends N tasks of 100 kB from a generator and prints the resident memory at 500, and the most from there on.
// Runs on the build, so that what it measures is the library and nothing of the test runner. argv: broker URL, N.
import { z } from 'zod'
import { connect, defineTask } from '../../dist/src/index.js'

const [broker, count] = [process.argv[2], Number(process.argv[3])]
const task = defineTask({ name: 'payment.many.big', input: z.object({ n: z.number(), text: z.string() }) })
const warren = await connect({ broker, logger: false })
let atFirst = 0
let most = 0
function* inputs() {
  for (let n = 0; n < count; n++) {
    const { rss } = process.memoryUsage()
    if (n === 500) atFirst = rss
    if (n >= 500) most = Math.max(most, rss)
    yield { n, text: 'x'.repeat(100_000) }
  }
}
const { sent } = await warren.sendMany(task, inputs())
await warren.close()
console.log(JSON.stringify({ sent, atFirst, most }))
