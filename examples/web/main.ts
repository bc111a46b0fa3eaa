/** One connection for the process, opened before the first request and closed after the last one. */
import { connect } from 'warren'
import { makeApp } from './express.js'

const warren = await connect({
  broker: process.env.WARREN_BROKER ?? 'amqp://admin:admin@127.0.0.1:5680',
  results: process.env.WARREN_RESULTS ?? 'redis://127.0.0.1:26040',
  name: 'web',
})
const server = makeApp(warren).listen(Number(process.env.PORT ?? 8080))

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => server.close(() => void warren.close())) // first the requests, then the connection
}
