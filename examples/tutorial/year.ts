/** Orders the reports of twelve months in parallel, and their sum once all of them are done. */
import { connect, join, step } from 'warren'
import { makeReport, sumUp } from './tasks.js'

const [year = '2030'] = process.argv.slice(2)
const warren = await connect({
  broker: process.env.WARREN_BROKER ?? 'amqp://guest:guest@127.0.0.1:5672',
  results: process.env.WARREN_RESULTS ?? 'redis://127.0.0.1:6379',
  logger: false,
})
const months = Array.from({ length: 12 }, (_, index) => `${year}-${String(index + 1).padStart(2, '0')}`)
const flow = await warren.flows.start(
  join(
    months.map((month) => step(makeReport, { month })),
    step(sumUp, { year }, { into: 'reports' }), // takes the twelve results, in order
  ),
  { id: `year-${year}` }, // started again under this id, it is the same flow
)
console.log(await flow.result({ timeoutMs: 60_000 }))
await warren.close()
