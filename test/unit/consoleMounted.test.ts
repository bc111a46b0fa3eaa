/** The console in an application, as docs/guide/console.md shows it for Express and Fastify; hono is in consoleElsewhere.test.ts. */
import type { AddressInfo } from 'node:net'
import express from 'express'
import Fastify from 'fastify'
import { afterEach, expect, it } from 'vitest'
import { type MountedConsole, mountConsole } from '../../console/index.js'

const closing: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

function warrenConsole(): MountedConsole {
  const mounted = mountConsole({
    ...{ broker: 'amqp://o:o@127.0.0.1:1', management: 'http://127.0.0.1:1', basePath: '/warren' },
    identify: async (request) =>
      request.headers.get('cookie') === 'app=carol' ? { user: 'carol', role: 'operator' } : undefined,
  })
  closing.push(() => mounted.close())
  return mounted
}

/** What a browser does: it opens a view, loads a file, asks who is signed in, and orders something. */
async function used(base: string): Promise<void> {
  const headers = { cookie: 'app=carol' }
  expect((await fetch(`${base}/warren`, { redirect: 'manual' })).status).toBe(308)
  expect(await (await fetch(`${base}/warren/tasks/1`)).text()).toContain('<base href="../">')
  expect((await fetch(`${base}/warren/views/overview.js`)).headers.get('content-type')).toContain('javascript')
  expect(await (await fetch(`${base}/warren/api/session`)).json()).toEqual({ signedIn: false })
  const session = (await (await fetch(`${base}/warren/api/session`, { headers })).json()) as {
    token: string
    user: string
  }
  expect(session.user).toBe('carol')
  const act = await fetch(`${base}/warren/api/scale`, {
    method: 'POST',
    headers: { ...headers, origin: base, 'content-type': 'application/json', 'x-csrf-token': session.token },
    body: JSON.stringify({ workers: 'many' }),
  })
  // Its body has come through whole.
  expect(await act.json()).toMatchObject({ error: 'INVALID_OPTIONS', message: expect.stringContaining('many') })
  const stream = await fetch(`${base}/warren/api/stream`, { headers })
  const first = await stream.body?.getReader().read()
  expect(Buffer.from(first?.value ?? []).toString()).toContain('event: hello')
}

it('in Express', async () => {
  const { listener } = warrenConsole()
  const app = express()
  app.use('/warren', listener)
  app.use(express.json())
  const server = app.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  await used(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})

it('in Fastify', async () => {
  const { listener } = warrenConsole()
  const app = Fastify({ forceCloseConnections: true })
  app.register(
    async (scope) => {
      scope.removeAllContentTypeParsers()
      scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
      scope.all('/', (request, reply) => {
        reply.hijack()
        void listener(request.raw, reply.raw)
      })
      scope.all('/*', (request, reply) => {
        reply.hijack()
        void listener(request.raw, reply.raw)
      })
    },
    { prefix: '/warren' },
  )
  const base = await app.listen({ port: 0, host: '127.0.0.1' })
  closing.push(() => app.close())
  await used(base)
})
