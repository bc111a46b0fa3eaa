// A worker that does nothing: it answers /healthz and exits 0 on SIGTERM. With STUB_CRASH it ends before it is ready.
import { createServer } from 'node:http'

if (process.env.STUB_CRASH) {
  console.error('stub worker: crashing as told')
  process.exit(3)
}
const server = createServer((_request, response) => response.end('ok\n'))
server.listen(Number(process.env.WARREN_HTTP_PORT), '127.0.0.1')
process.on('SIGTERM', () => process.exit(0))
