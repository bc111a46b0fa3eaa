/** The console's doors: who gets in, who may act, and what is refused. A real server; the cluster it watches is not there. */
import { mkdtempSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SignInLimit } from '../../console/accounts.js'
import { type ConsoleOptions, type RunningConsole, startConsole } from '../../console/index.js'
import { Sessions, sessionKey } from '../../console/sessions.js'

const OPTIONS: ConsoleOptions = {
  // Nobody listens on port 1.
  broker: 'amqp://operator:operator@127.0.0.1:1',
  results: 'redis://127.0.0.1:1',
  management: 'http://127.0.0.1:1',
  control: '/nowhere/control.sock',
  port: 0,
  accounts: [
    { user: 'admin', password: 'right', role: 'operator' },
    { user: 'viewer', password: 'look', role: 'viewer' },
  ],
}

let served: RunningConsole
let base: string
beforeAll(async () => {
  served = await startConsole(OPTIONS)
  base = served.url.replace(/\/$/, '')
})
afterAll(() => served.close())

interface SignedIn {
  readonly cookie: string
  readonly token: string
}

async function signIn(user = 'admin', password = 'right', at = base): Promise<SignedIn> {
  const response = await fetch(`${at}/api/session`, {
    method: 'POST',
    headers: { origin: at, 'content-type': 'application/json' },
    body: JSON.stringify({ user, password }),
  })
  expect(response.status).toBe(200)
  const { token } = (await response.json()) as { token: string }
  return { cookie: (response.headers.get('set-cookie') ?? '').split(';', 1)[0] ?? '', token }
}

const act = (path: string, headers: Record<string, string>, method = 'POST', at = base) =>
  fetch(`${at}/api${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(method === 'GET' ? {} : { body: '{}' }),
  })

const errorOf = async (response: Response): Promise<string> => ((await response.json()) as { error: string }).error

/** Everything that changes something. */
const ACTS = [
  '/burst',
  '/scale',
  '/process/rabbitmq-1/kill',
  '/dead-letters/q/redrive',
  '/dead-letters/q/purge',
  '/drills/x',
]
const LOOKS = ['/stream', '/tasks/1', '/dead-letters/q', '/dead-letters/q/1', '/drills']

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
    const { cookie, token } = await signIn('admin', 'right', at)
    for (const path of ACTS) {
      const response = await act(path, { cookie, origin: at, 'x-csrf-token': token }, 'POST', at)
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

it('Of 1,000 sign-ins with wrong passwords, many at once, ten are looked at, and the right one has to wait too', async () => {
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
    for (let first = 0; first < 1_000; first += 100) {
      const batch = Array.from({ length: 100 }, (_, index) => attempt(`guess ${first + index}`))
      for (const response of await Promise.all(batch)) {
        await response.arrayBuffer()
        counts.set(response.status, (counts.get(response.status) ?? 0) + 1)
      }
    }
    expect(Object.fromEntries(counts)).toEqual({ 401: 10, 429: 990 })
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

describe('A session', () => {
  it('outlives a restart when the key is kept, in a file that is its owner’s alone, and ends after its time', () => {
    const folder = join(mkdtempSync(join(tmpdir(), 'console-')), 'state')
    const cookie = new Sessions(sessionKey(folder)).begin('admin', 'operator')
    expect(new Sessions(sessionKey(folder)).read(cookie)).toMatchObject({ user: 'admin', role: 'operator' })
    expect(new Sessions(sessionKey(undefined)).read(cookie)).toBeUndefined()
    expect(statSync(join(folder, 'session-key')).mode & 0o077).toBe(0)
    const later = Date.now() + 13 * 60 * 60 * 1000
    expect(new Sessions(sessionKey(folder), undefined, () => later).read(cookie)).toBeUndefined()
  })
  it('is a cookie that no script reads and no other site sends', async () => {
    const response = await fetch(`${base}/api/session`, {
      method: 'POST',
      headers: { origin: base, 'content-type': 'application/json' },
      body: JSON.stringify({ user: 'admin', password: 'right' }),
    })
    expect(response.headers.get('set-cookie')).toMatch(/HttpOnly; SameSite=Strict$/)
    expect(response.headers.get('set-cookie')).toContain('Path=/')
  })
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

it('Serves the page’s own files and nothing beside them', async () => {
  for (const path of ['/../package.json', '/%2e%2e/package.json', '/page.ts', '/lib/uPlot.cjs.js', '/api']) {
    expect((await fetch(`${base}${path}`)).status, path).toBeGreaterThanOrEqual(401)
  }
  const first = await fetch(`${base}/style.css`)
  const again = await fetch(`${base}/style.css`, { headers: { 'if-none-match': first.headers.get('etag') ?? '' } })
  expect([first.status, again.status]).toEqual([200, 304])
})
