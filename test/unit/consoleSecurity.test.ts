/** The console's doors: who gets in, who may act, and what is refused. A real server; the cluster it watches is not there. */
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SignInLimit } from '../../console/accounts.js'
import { type ConsoleOptions, type RunningConsole, startConsole } from '../../console/index.js'
import { actAt, errorOf, OPTIONS, type SignedIn, signInAt } from '../support/unreachingConsole.js'

let served: RunningConsole
let base: string
beforeAll(async () => {
  served = await startConsole(OPTIONS)
  base = served.url.replace(/\/$/, '')
})
afterAll(() => served.close())

const signIn = (user?: string, password?: string): Promise<SignedIn> => signInAt(base, user, password)
const act = (path: string, headers: Record<string, string>, method?: string) => actAt(base, path, headers, method)

/** Everything that changes something. */
const ACTS = [
  '/burst',
  '/scale',
  '/process/rabbitmq-1/kill',
  '/dead-letters/q/redrive',
  '/dead-letters/q/purge',
  '/drills/x',
  '/tasks/1/cancel',
  '/queues/%2F/q/pause',
  '/queues/%2F/q/resume',
  '/schedules/s/1/pause',
  '/schedules/s/1/resume',
  '/schedules/s/1/trigger',
  '/schedules/s/1/remove',
  '/flows/1/cancel',
]
const LOOKS = [
  ...['/stream', '/tasks', '/failures', '/tasks/1', '/tasks/1/dead-letters', '/queues', '/queues/%2F/q', '/nodes'],
  ...['/schedules', '/schedules/s/1', '/flows', '/flows/1', '/workers', '/drills'],
  ...['/dead-letters', '/dead-letters/q', '/dead-letters/q/1'],
]

describe('Without a sign-in', () => {
  it.each(LOOKS)('GET %s shows nothing', async (path) => {
    const response = await act(path, {}, 'GET')
    expect([response.status, await errorOf(response)]).toEqual([401, 'SIGN_IN'])
  })
  it.each(ACTS)('POST %s does nothing', async (path) => {
    const response = await act(path, { origin: base })
    expect([response.status, await errorOf(response)]).toEqual([401, 'SIGN_IN'])
  })
  it('a cookie that was made up, changed or cut opens nothing', async () => {
    const { cookie } = await signIn()
    const [name, value = ''] = cookie.split('=')
    const [body = '', signature = ''] = value.split('.')
    const forged = Buffer.from(
      JSON.stringify({ ...JSON.parse(Buffer.from(body, 'base64url').toString()), user: 'root' }),
    ).toString('base64url')
    for (const bad of [`${forged}.${signature}`, body, `${body}.`, `.${signature}`, `${value}.x`, 'x.y', '']) {
      expect((await act('/tasks/1', { cookie: `${name}=${bad}` }, 'GET')).status, bad).toBe(401)
    }
  })
})

describe('Somebody who is signed in', () => {
  it.each(ACTS)('as a viewer may not POST %s', async (path) => {
    const { cookie, token } = await signIn('viewer', 'look')
    const response = await act(path, { cookie, origin: base, 'x-csrf-token': token })
    expect([response.status, await errorOf(response)]).toEqual([403, 'VIEWER'])
  })
  it.each(ACTS)('cannot be made to POST %s by another site', async (path) => {
    const { cookie, token } = await signIn()
    const from = async (headers: Record<string, string>) => errorOf(await act(path, { cookie, ...headers }))
    expect(await from({ origin: 'https://evil.example', 'x-csrf-token': token })).toBe('WRONG_ORIGIN')
    expect(await from({ origin: 'null', 'x-csrf-token': token })).toBe('WRONG_ORIGIN')
    expect(await from({ 'x-csrf-token': token })).toBe('WRONG_ORIGIN')
    expect(await from({ origin: base, 'sec-fetch-site': 'cross-site', 'x-csrf-token': token })).toBe('WRONG_ORIGIN')
    expect(await from({ origin: base })).toBe('WRONG_TOKEN')
    expect(await from({ origin: base, 'x-csrf-token': 'x' })).toBe('WRONG_TOKEN')
  })
  it('cannot use the token of somebody else', async () => {
    const [mine, theirs] = [await signIn(), await signIn()]
    const response = await act('/burst', { cookie: mine.cookie, origin: base, 'x-csrf-token': theirs.token })
    expect(await errorOf(response)).toBe('WRONG_TOKEN')
  })
  it('sees nothing any more once signed out', async () => {
    const { cookie } = await signIn()
    expect((await act('/dead-letters/q', { cookie }, 'GET')).status).toBe(404)
    await fetch(`${base}/api/session`, { method: 'DELETE', headers: { cookie, origin: base } })
    expect((await act('/dead-letters/q', { cookie }, 'GET')).status).toBe(401)
  })
  it('may act on no process but nodes, workers and the store, and with no act but the known ones', async () => {
    const { cookie, token } = await signIn()
    const response = await act('/process/rabbitmq-1/explode', { cookie, origin: base, 'x-csrf-token': token })
    expect([response.status, await errorOf(response)]).toEqual([404, 'UNKNOWN_ACTION'])
  })
  it('gets sentences for orders that make no sense', async () => {
    const { cookie, token } = await signIn()
    const response = await act('/burst', { cookie, origin: base, 'x-csrf-token': token })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ message: expect.stringContaining('expected `count` to be given') })
  })
  it('cannot send more than a few words', async () => {
    const { cookie, token } = await signIn()
    const response = await fetch(`${base}/api/burst`, {
      method: 'POST',
      headers: { cookie, origin: base, 'x-csrf-token': token, 'content-type': 'application/json' },
      body: JSON.stringify({ count: 1, seconds: 0, more: 'x'.repeat(20_000) }),
    })
    expect(response.status).toBe(413)
  })
})

it('A read-only console refuses every act, to operators too', async () => {
  const readOnly = await startConsole({ ...OPTIONS, readOnly: true })
  const at = readOnly.url.replace(/\/$/, '')
  try {
    const { cookie, token } = await signInAt(at)
    for (const path of ACTS) {
      const response = await actAt(at, path, { cookie, origin: at, 'x-csrf-token': token })
      expect(await errorOf(response), path).toBe('READ_ONLY')
    }
  } finally {
    await readOnly.close()
  }
})

it('Beyond loopback a console is read-only by default, and has no password that everybody knows', async () => {
  await expect(startConsole({ broker: 'amqp://localhost', host: '0.0.0.0' })).rejects.toThrow('expected `accounts`')
  const wide = await startConsole({ ...OPTIONS, host: '0.0.0.0' })
  expect(wide.readOnly).toBe(true)
  await wide.close()
})

it('Behind a proxy, only the origin that was given counts, and the refusal names it', async () => {
  const proxied = await startConsole({ ...OPTIONS, origin: 'https://console.example.com' })
  const at = proxied.url.replace(/\/$/, '')
  const tried = (origin: string) =>
    fetch(`${at}/api/session`, {
      method: 'POST',
      headers: { origin, 'content-type': 'application/json' },
      body: JSON.stringify({ user: 'admin', password: 'right' }),
    })
  try {
    expect(await (await tried(at)).json()).toMatchObject({
      error: 'WRONG_ORIGIN',
      message: expect.stringContaining('open it at https://console.example.com/'),
    })
    const response = await tried('https://console.example.com')
    expect([response.status, response.headers.get('set-cookie')]).toEqual([200, expect.stringContaining('Secure')])
  } finally {
    await proxied.close()
  }
})

it('A host name that somebody else chose is not answered to', async () => {
  const { port } = new URL(base)
  const status = await new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', path: '/', headers: { host: `evil.example:${port}` } }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .once('error', reject)
      .end()
  })
  expect(status).toBe(403)
})

it('Of 200 sign-ins with wrong passwords, many at once, ten are looked at, and the right one has to wait too', async () => {
  const guessed = await startConsole(OPTIONS)
  const at = guessed.url.replace(/\/$/, '')
  try {
    const counts = new Map<number, number>()
    const attempt = (password: string) =>
      fetch(`${at}/api/session`, {
        method: 'POST',
        headers: { origin: at, 'content-type': 'application/json' },
        body: JSON.stringify({ user: 'admin', password }),
      })
    for (let first = 0; first < 200; first += 100) {
      const batch = Array.from({ length: 100 }, (_, index) => attempt(`guess ${first + index}`))
      for (const response of await Promise.all(batch)) {
        await response.arrayBuffer()
        counts.set(response.status, (counts.get(response.status) ?? 0) + 1)
      }
    }
    expect(Object.fromEntries(counts)).toEqual({ 401: 10, 429: 190 })
    const last = await attempt('right')
    expect(last.status).toBe(429)
    expect(Number(last.headers.get('retry-after'))).toBeGreaterThan(0)
  } finally {
    await guessed.close()
  }
})

it('The limit ends after a minute, and remembers a bounded number of peers', () => {
  let now = 0
  const limit = new SignInLimit(2, () => now)
  limit.failed('a')
  expect(limit.waitSeconds('a')).toBeUndefined()
  limit.failed('a')
  expect(limit.waitSeconds('a')).toBe(60)
  expect(limit.waitSeconds('b')).toBeUndefined()
  now = 60_000
  expect(limit.waitSeconds('a')).toBeUndefined()
  for (let peer = 0; peer < 5_000; peer++) {
    limit.failed(`peer ${peer}`)
    limit.failed(`peer ${peer}`)
  }
  expect(limit.waitSeconds('peer 0')).toBeUndefined()
  expect(limit.waitSeconds('peer 4999')).toBe(60)
})

it('The head links to what is given, and to no address that runs something', async () => {
  const linked = await startConsole({ ...OPTIONS, links: { Grafana: '/grafana/' } })
  const at = linked.url.replace(/\/$/, '')
  try {
    const { cookie } = await signInAt(at)
    const session = (url: string, headers: Record<string, string>) => fetch(`${url}/api/session`, { headers })
    expect(await (await session(at, { cookie })).json()).toMatchObject({ links: { Grafana: '/grafana/' } })
    const { cookie: other } = await signIn()
    expect(await (await session(base, { cookie: other })).json()).toMatchObject({ links: null })
  } finally {
    await linked.close()
  }
  for (const href of ['javascript:alert(1)', '//evil.example', '/\\evil.example', 'data:text/html,x', 'grafana']) {
    await expect(startConsole({ ...OPTIONS, links: { x: href } })).rejects.toThrow('expected `links`')
  }
})

it('What is wrong with an address or an account is said without its password', async () => {
  const wrong: Partial<Record<keyof ConsoleOptions, unknown>>[] = [
    { broker: 'amqp://user:s3cret@host:port' },
    { broker: ['amqp://user:s3cret@host', undefined] },
    { results: 'http://:s3cret@host' },
    { management: 'http://user:s3 cret:s3cret@:1' },
    { accounts: [{ user: 'a', password: 's3cret', role: 'root' }] },
    { accounts: { user: 'a', password: 's3cret' } },
  ]
  for (const each of wrong) {
    const error = await startConsole({ ...OPTIONS, ...each } as ConsoleOptions).catch((problem: Error) => problem)
    expect(error).toMatchObject({ code: 'INVALID_OPTIONS' })
    expect(`${(error as Error).stack} ${JSON.stringify(error)}`).not.toContain('s3cret')
  }
})

it('The page’s open streams end with a sign-out, in every tab', async () => {
  const { cookie } = await signIn()
  const tabs = await Promise.all([1, 2].map(() => fetch(`${base}/api/stream`, { headers: { cookie } })))
  await fetch(`${base}/api/session`, { method: 'DELETE', headers: { cookie, origin: base } })
  for (const tab of tabs) expect(await tab.text()).toContain('event: hello')
})

it('Every answer forbids scripts that are not the page’s own, framing and guessing of types', async () => {
  for (const path of ['/', '/main.js', '/style.css', '/api/session', '/nothing']) {
    const { headers } = await fetch(`${base}${path}`)
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy, path).toContain("default-src 'none'; script-src 'self'; style-src 'self'")
    expect(policy).not.toContain('unsafe')
    expect(policy).toContain("frame-ancestors 'none'")
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  }
})
