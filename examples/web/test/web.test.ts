/** The web servers of docs/how-to/web-servers.md, on an in-memory Warren. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import * as Sentry from '@sentry/node'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { UnconfirmedError } from 'warren'
import { expectSent, type TestWarren, testWarren } from 'warren/testing'
import { answerTo } from '../answers.js'
import { makeApp } from '../express.js'
import { makeServer } from '../fastify.js'
import { POST } from '../next/route.js'
import { scoped, useSentry } from '../sentry.js'
import { makeReport } from '../tasks.js'

let warren: TestWarren
beforeEach(async () => {
  warren = await testWarren()
  await warren
    .worker({ service: 'reports' })
    .handle(makeReport, () => ({ total: 42 }))
    .start()
})
afterEach(() => warren.close())

const post = (month: string) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ month }),
})

async function check(base: string): Promise<void> {
  const accepted = await fetch(`${base}/reports`, post('2030-01'))
  expect(accepted.status).toBe(202)
  const { id } = (await accepted.json()) as { id: string }
  expectSent(warren, makeReport, { month: '2030-01' })
  await warren.idle()
  const state = await fetch(`${base}${accepted.headers.get('location')}`)
  expect(await state.json()).toMatchObject({ status: 'SUCCESS', result: { total: 42 } })
  expect(id).toMatch(/^[0-9a-f-]{36}$/)
  expect((await fetch(`${base}/reports/none`)).status).toBe(404)
  const refused = await fetch(`${base}/reports`, post('soon'))
  expect(refused.status).toBe(400)
  expect(await refused.json()).toMatchObject({ code: 'INVALID_INPUT' })
}

it('Express', async () => {
  const server = makeApp(warren).listen(0)
  await once(server, 'listening')
  await check(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  await new Promise((resolve) => server.close(resolve))
})

it('Fastify, which closes the connection with itself', async () => {
  const server = makeServer(warren)
  await check(await server.listen({ port: 0 }))
  await server.close()
  await expect(warren.send(makeReport, { month: '2030-01' })).rejects.toMatchObject({ code: 'CLOSED' })
})

it('A route of Next', async () => {
  ;(globalThis as { warren?: unknown }).warren = Promise.resolve(warren)
  const accepted = await POST(new Request('http://localhost/reports', post('2030-01')))
  expect(accepted.status).toBe(202)
  const refused = await POST(new Request('http://localhost/reports', post('soon')))
  expect(refused.status).toBe(400)
  delete (globalThis as { warren?: unknown }).warren
})

it('Other errors: a broker that is away is a 503 without details, a fault of ours a 500', () => {
  expect(answerTo(new UnconfirmedError('id', 5_000, true, 'no answer'))).toEqual({
    status: 503,
    body: { code: 'UNCONFIRMED' },
  })
  expect(answerTo(new TypeError('x is undefined'))).toEqual({ status: 500, body: { error: 'internal error' } })
})

it('Sentry gets the error of a dead letter with its task, and handlers have scopes of their own', async () => {
  const events: Sentry.ErrorEvent[] = []
  const tags: unknown[] = []
  const worker = warren.worker({ service: 'billing' })
  worker.handle(
    makeReport,
    scoped(() => {
      tags.push(Sentry.getIsolationScope().getScopeData().tags.task)
      throw new Error('the shop does not answer')
    }),
  )
  useSentry(worker, {
    dsn: 'https://key@localhost/1',
    beforeSend(event) {
      events.push(event)
      return null // nothing leaves the test
    },
  })
  await worker.start()
  await warren.send(makeReport, { month: '2030-01' })
  await warren.idle()
  await Sentry.flush(1_000)
  expect(tags).toEqual(['shop.report.make'])
  expect(events).toHaveLength(1)
  expect(events[0]).toMatchObject({ level: 'error', tags: { task: 'shop.report.make', reason: 'failed', attempt: 1 } })
  await Sentry.close()
})
