/** The web server: takes an order for a report, and later says how far it is. It works the same way in any framework. */
import { createServer } from 'node:http'
import { connect } from 'warren'
import { makeReport } from './tasks.js'

const warren = await connect({
  broker: process.env.WARREN_BROKER ?? 'amqp://guest:guest@127.0.0.1:5672',
  results: process.env.WARREN_RESULTS ?? 'redis://127.0.0.1:6379',
})

const server = createServer(async (request, response) => {
  const answer = (status: number, body: unknown) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
  try {
    if (request.method === 'POST' && pathname === '/reports') {
      const month = searchParams.get('month') ?? ''
      // One report of a month at a time: a second request finds the first one's.
      const { id } = await warren.send(makeReport, { month }, { unique: { key: month } })
      answer(202, { id })
    } else if (request.method === 'GET' && pathname.startsWith('/reports/')) {
      const state = await warren.state(pathname.slice('/reports/'.length))
      answer(state === undefined ? 404 : 200, state ?? { status: 'unknown, or not begun' })
    } else answer(404, { error: 'not found' })
  } catch (error) {
    const code = (error as { code?: string }).code
    answer(code === 'INVALID_INPUT' ? 400 : 503, { error: String(error), code })
  }
})
server.listen(Number(process.env.PORT ?? 8080), () => console.log('listening', server.address()))

process.once('SIGTERM', () => {
  server.close(() => void warren.close())
})
