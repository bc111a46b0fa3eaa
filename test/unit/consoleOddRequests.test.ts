/** Requests to the console that no browser of ours would make. */
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningConsole, startConsole } from '../../console/index.js'
import { OPTIONS, signInAt } from '../support/unreachingConsole.js'

let served: RunningConsole
let base: string
beforeAll(async () => {
  served = await startConsole(OPTIONS)
  base = served.url.replace(/\/$/, '')
})
afterAll(() => served.close())

describe('Odd requests', () => {
  const BODIES = [
    ...['null', '[]', '7', '"x"', '{', '', '{"__proto__":{"count":1}}', '{"constructor":1}', '{"toString":{}}'],
    ...['{"count":1e999,"seconds":0}', '{"user":{},"password":[]}', '{"filter":{"task":{}},"dryRun":true}'],
    ...['{"filter":null,"dryRun":1}', '['.repeat(8_000), '\ufffe\u0000'],
  ]
  it.each(['/burst', '/scale', '/session', '/dead-letters/q/redrive', '/process/x/kill', '/drills/x'])(
    'POST %s answers every body with a sentence',
    async (path) => {
      const { cookie, token } = await signInAt(base)
      for (const body of BODIES) {
        const response = await fetch(`${base}/api${path}`, {
          method: 'POST',
          headers: { cookie, origin: base, 'x-csrf-token': token, 'content-type': 'application/json' },
          body,
        })
        const { message } = (await response.json()) as { message: string }
        expect([400, 404, 429, 502], `${body} ${message}`).toContain(response.status)
      }
    },
  )
  it('with odd paths and headers are answered, and the console lives', async () => {
    const { port } = new URL(base)
    const status = (path: string, headers: Record<string, string> = {}) =>
      new Promise<number>((resolve, reject) => {
        request({ port, host: '127.0.0.1', path, headers }, (response) => {
          response.resume()
          resolve(response.statusCode ?? 0)
        })
          .once('error', reject)
          .end()
      })
    const { cookie } = await signInAt(base)
    for (const path of [
      '/%',
      '/%ff',
      '/%00',
      '//evil.example/',
      '/a/../../x',
      '/..%2f..%2fx',
      '/%5c',
      '*',
      'http://x/y',
    ]) {
      expect([400, 403, 404], path).toContain(await status(path))
    }
    for (const path of ['%E0%A4%A', '%2F', '__proto__', '%00%0d%0a', 'x'.repeat(5_000)]) {
      expect(await status(`/api/dead-letters/${path}`, { cookie }), path).toBe(404)
    }
    for (const [name, value] of Object.entries({ host: 'a b', cookie: 'warren_session=%E0%A4', range: 'bytes=-1' })) {
      expect([200, 400], name).toContain(await status('/style.css', { [name]: value }))
    }
    expect(await status('/style.css', { host: '127.0.0.1:99999' })).toBe(400)
    expect((await fetch(`${base}/healthz`)).status).toBe(200)
  })
  it('for the head of a stream open none', async () => {
    const { cookie } = await signInAt(base)
    expect((await fetch(`${base}/api/stream`, { method: 'HEAD', headers: { cookie } })).status).toBe(405)
  })
})
