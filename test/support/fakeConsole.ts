/** The console's page, served with facts of a test's own: what a page shows needs no cluster. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SERIES } from '../../console/history.js'
import { pageFiles, shellFor } from '../../console/page.js'

export interface FakeConsole {
  readonly url: string
  /** Resolves once the connection has taken it. */
  tell(event: string, data: unknown): Promise<void>
  close(): void
}

const SESSION = {
  ...{ signedIn: true, user: 'admin', role: 'operator', token: 'x', readOnly: false, vhost: '/', links: null },
  can: { act: true, burst: true, control: true, drills: true, tasks: true },
}
const VIEW = /^\/(?:$|tasks|queues|schedules|flows|dead-letters|workers|cluster|lab)(?:\/|$)/

/** Serves under `prefix`; `answer` gives what the rest of the API says. */
export async function serveFakeConsole({
  moment,
  prefix = '',
  answer = () => [],
  session = {},
}: {
  readonly moment: unknown
  readonly prefix?: string
  readonly answer?: (method: string, path: string, body: unknown) => unknown
  readonly session?: object
}): Promise<FakeConsole> {
  const files = pageFiles()
  let stream: ServerResponse | undefined
  const tell = (event: string, data: unknown): Promise<void> =>
    new Promise((resolve) => {
      const done = stream?.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`, () => resolve())
      if (done === undefined) resolve()
    })
  const json = (response: ServerResponse, body: unknown): void => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  const server = createServer(async (request, response) => {
    const { url = '/', method = 'GET' } = request
    const path = url.startsWith(prefix) ? url.slice(prefix.length) : '?'
    const [bare = ''] = path.replace(/^\/v\/[^/]+/, '').split('?', 1)
    const file = files.get(bare) ?? (VIEW.test(bare) ? shellFor(bare) : undefined)
    if (file !== undefined) response.writeHead(200, { 'content-type': file.type }).end(file.body)
    else if (path === '/api/session') json(response, { ...SESSION, ...session })
    else if (path === '/api/stream') {
      stream = response.writeHead(200, { 'content-type': 'text/event-stream' })
      const nothing = { rows: [], happenings: [], tasks: [], burst: null, drill: null }
      void tell('hello', { series: SERIES, moment, ...nothing })
    } else if (path.startsWith('/api/')) {
      let body = ''
      for await (const piece of request) body += piece
      json(response, answer(method, path, body === '' ? undefined : JSON.parse(body)))
    } else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${prefix}/`,
    tell,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
