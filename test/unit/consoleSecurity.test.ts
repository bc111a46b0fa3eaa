/** The console's doors: who gets in, who may act, and what is refused. A real server; the cluster it watches is not there. */
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SignInLimit } from '../../console/accounts.js'
import { EndedSessions } from '../../console/endedSessions.js'
import { type ConsoleOptions, type RunningConsole, startConsole } from '../../console/index.js'
import { pageFiles } from '../../console/page.js'
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

describe('A sign-out', () => {
  const opened = () => join(mkdtempSync(join(tmpdir(), 'console-')), 'state')
  const sessions = (folder: string, now = Date.now) => new Sessions(sessionKey(folder), folder, now)
  const signedOut = (folder: string, cookie: string, from = sessions(folder)): void => {
    const session = from.read(cookie)
    if (session !== undefined) from.end(session)
  }

  it('lasts over restarts of the console, and ends nobody else’s session', async () => {
    const folder = opened()
    const [mine, theirs] = [sessions(folder).begin('admin', 'operator'), sessions(folder).begin('admin', 'operator')]
    signedOut(folder, mine)
    for (let restart = 0; restart < 3; restart++) {
      expect(sessions(folder).read(mine)).toBeUndefined()
      expect(sessions(folder).read(theirs)).toBeDefined()
    }
    expect(statSync(join(folder, 'signed-out')).mode & 0o077).toBe(0)
  })
  it('lasts over a restart of a whole console', async () => {
    const stateFolder = opened()
    const restarted = async (act: (at: string) => Promise<unknown>) => {
      const console = await startConsole({ ...OPTIONS, stateFolder })
      await act(console.url.replace(/\/$/, '')).finally(() => console.close())
    }
    let cookie = ''
    const status = async (at: string) => (await act('/dead-letters/q', { cookie }, 'GET', at)).status
    await restarted(async (at) => {
      ;({ cookie } = await signIn('admin', 'right', at))
    })
    await restarted(async (at) => {
      expect(await status(at)).toBe(404)
      await fetch(`${at}/api/session`, { method: 'DELETE', headers: { cookie, origin: at } })
    })
    await restarted(async (at) => expect(await status(at)).toBe(401))
  })
  it('is kept no longer than its session would have lasted', () => {
    const folder = opened()
    signedOut(folder, sessions(folder).begin('admin', 'operator'))
    const later = () => Date.now() + 13 * 60 * 60 * 1000
    sessions(folder, later)
    expect(readFileSync(join(folder, 'signed-out'), 'utf8')).toBe('')
  })
  it('is not undone by more sign-outs than are kept: then older sessions end, too', () => {
    const folder = opened()
    let now = 1_000
    const ended = () => new EndedSessions(folder, { now: () => now, lifetimeMs: 5_000, max: 10 })
    const all = ended()
    const first = { id: 'first', endsAt: 6_000 }
    all.add(first)
    for (let more = 0; more < 10; more++) all.add({ id: `more-${more}`, endsAt: 6_001 + more })
    const last = { id: 'last', endsAt: 6_100 }
    for (const each of [all, ended()]) expect([each.has(first), each.has(last)]).toEqual([true, false])
    expect(readFileSync(join(folder, 'signed-out'), 'utf8').split('\n').length).toBeLessThan(10)
    now = 7_000
    ended()
    expect(readFileSync(join(folder, 'signed-out'), 'utf8')).not.toContain('more')
  })
  it('is not undone by a list that was cut, or cannot be read: then all sessions end', () => {
    for (const spoil of [
      (file: string) => appendFileSync(file, 'half-a-li'),
      (file: string) => {
        rmSync(file)
        mkdirSync(file)
      },
    ]) {
      const folder = opened()
      const cookie = sessions(folder).begin('admin', 'operator')
      signedOut(folder, sessions(folder).begin('admin', 'operator'))
      spoil(join(folder, 'signed-out'))
      expect(sessions(folder).read(cookie)).toBeUndefined()
    }
  })
  it('that cannot be written down counts all the same, and says so', () => {
    const folder = opened()
    const all = sessions(folder)
    const cookie = all.begin('admin', 'operator')
    mkdirSync(join(folder, 'signed-out'))
    expect(() => signedOut(folder, cookie, all)).toThrow()
    expect(all.read(cookie)).toBeUndefined()
  })
})

describe('Under a path prefix', () => {
  let prefixed: RunningConsole
  let at: string
  beforeAll(async () => {
    prefixed = await startConsole({ ...OPTIONS, basePath: '/a/warren/' })
    at = prefixed.url.replace(/\/a\/warren\/$/, '')
  })
  afterAll(() => prefixed.close())

  it('the page, its files and its API are there, whether or not the proxy takes the prefix off', async () => {
    for (const path of [
      '/',
      '/main.js',
      '/parts/charts.js',
      '/tasks?state=failed',
      '/tasks/a%2Fb',
      '/lib/uPlot.esm.js',
      '/api/session',
      '/healthz',
    ]) {
      for (const prefix of ['', '/a/warren']) expect((await fetch(`${at}${prefix}${path}`)).status, path).toBe(200)
    }
    const bare = await fetch(`${at}/a/warren`, { redirect: 'manual' })
    expect([bare.status, bare.headers.get('location')]).toEqual([308, '/a/warren/'])
    expect((await fetch(`${at}/a/warrens/`)).status).toBe(404)
  })
  it('the cookie is sent under the prefix alone, and acts work there', async () => {
    const { cookie, token } = await signIn('admin', 'right', `${at}`)
    const response = await fetch(`${at}/a/warren/api/scale`, {
      method: 'POST',
      headers: { cookie, origin: at, 'x-csrf-token': token, 'content-type': 'application/json' },
      body: '{}',
    })
    expect(await errorOf(response)).toBe('INVALID_OPTIONS')
  })
  it('nothing of the page asks for an address at the root', async () => {
    for (const [path, { body }] of pageFiles()) {
      if (!path.startsWith('/lib/'))
        expect(Buffer.from(body).toString(), path).not.toMatch(/(?:src|href)[=:] ?['"]\/|from '\/|['`]\/api/)
    }
  })
  it.each(['/a/../b', '//evil', '/a b', '/a?b', '/%2e', 7])('%s is no prefix', async (basePath) => {
    await expect(startConsole({ ...OPTIONS, basePath: basePath as string })).rejects.toThrow('a path such as /warren')
  })
})

it('The head links to what is given, and to no address that runs something', async () => {
  const linked = await startConsole({ ...OPTIONS, links: { Grafana: '/grafana/' } })
  const at = linked.url.replace(/\/$/, '')
  try {
    const { cookie } = await signIn('admin', 'right', at)
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

describe('Odd requests', () => {
  const BODIES = [
    ...['null', '[]', '7', '"x"', '{', '', '{"__proto__":{"count":1}}', '{"constructor":1}', '{"toString":{}}'],
    ...['{"count":1e999,"seconds":0}', '{"user":{},"password":[]}', '{"filter":{"task":{}},"dryRun":true}'],
    ...['{"filter":null,"dryRun":1}', '['.repeat(8_000), '\ufffe\u0000'],
  ]
  it.each(['/burst', '/scale', '/session', '/dead-letters/q/redrive', '/process/x/kill', '/drills/x'])(
    'POST %s answers every body with a sentence',
    async (path) => {
      const { cookie, token } = await signIn()
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
    const { cookie } = await signIn()
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
    const { cookie } = await signIn()
    expect((await fetch(`${base}/api/stream`, { method: 'HEAD', headers: { cookie } })).status).toBe(405)
  })
})

it('The page’s open streams end with a sign-out, in every tab', async () => {
  const { cookie } = await signIn()
  const tabs = await Promise.all([1, 2].map(() => fetch(`${base}/api/stream`, { headers: { cookie } })))
  await fetch(`${base}/api/session`, { method: 'DELETE', headers: { cookie, origin: base } })
  for (const tab of tabs) expect(await tab.text()).toContain('event: hello')
})

it('The page is at most 150 kB for browsers that take gzip, and whole for others', async () => {
  const sent = [...pageFiles().values()].reduce((sum, { zipped }) => sum + zipped.length, 0)
  expect(sent).toBeLessThanOrEqual(150_000)
  const take = (encoding: string) => fetch(`${base}/main.js`, { headers: { 'accept-encoding': encoding } })
  const [zip, whole, none] = await Promise.all([take('br, gzip'), take('identity'), take('gzip;q=0, identity')])
  expect(zip.headers.get('content-encoding')).toBe('gzip')
  expect([whole.headers.get('content-encoding'), none.headers.get('content-encoding')]).toEqual([null, null])
  expect(await zip.text()).toBe(await whole.text())
  expect(zip.headers.get('etag')).not.toBe(whole.headers.get('etag'))
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
