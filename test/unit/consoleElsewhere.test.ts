/** Signed in elsewhere: by a proxy's header, which counts from the proxy alone, or by the application around the console. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Hono } from 'hono'
import { afterEach, describe, expect, it } from 'vitest'
import { identityOf } from '../../console/identity.js'
import { type ConsoleOptions, mountConsole, startConsole } from '../../console/index.js'

const OPTIONS: ConsoleOptions = { broker: 'amqp://o:o@127.0.0.1:1', management: 'http://127.0.0.1:1', port: 0 }
const TRUSTED: ConsoleOptions = { ...OPTIONS, trustedHeader: { header: 'X-Forwarded-User', operators: ['alice'] } }

const closing: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

interface SessionView {
  readonly signedIn: boolean
  readonly user?: string
  readonly role?: string
  readonly token?: string
  readonly canSignOut?: boolean
}

async function started(options: ConsoleOptions) {
  const served = await startConsole(options)
  closing.push(() => served.close())
  const base = served.url.replace(/\/$/, '')
  const session = async (headers: Record<string, string>) =>
    (await (await fetch(`${base}/api/session`, { headers })).json()) as SessionView
  return { base, session }
}

describe('A trusted header', () => {
  it('is not looked at unless it was asked for', async () => {
    const { session } = await started(OPTIONS)
    expect(await session({ 'x-forwarded-user': 'alice' })).toEqual({ signedIn: false })
  })
  it('signs in whom it names: as an operator who is listed, as a viewer any other', async () => {
    const { session } = await started(TRUSTED)
    expect(await session({ 'x-forwarded-user': 'alice' })).toMatchObject({
      user: 'alice',
      role: 'operator',
      canSignOut: false,
    })
    expect(await session({ 'x-forwarded-user': 'bob' })).toMatchObject({ user: 'bob', role: 'viewer' })
    expect(await session({})).toEqual({ signedIn: false })
    // A second one, which a stranger put there, makes both void.
    expect(await session({ 'x-forwarded-user': 'alice, mallory' })).toEqual({ signedIn: false })
  })
  it('counts from the proxy’s own address alone', async () => {
    const { session } = await started({
      ...TRUSTED,
      trustedHeader: { header: 'x-forwarded-user', proxies: ['10.0.0.7'] },
    })
    expect(await session({ 'x-forwarded-user': 'alice' })).toEqual({ signedIn: false })
    const request = new Request('http://x/', { headers: { 'x-forwarded-user': 'alice' } })
    const trusted = { header: 'x-forwarded-user', operators: [], proxies: ['10.0.0.7'] }
    const of = (peer: string) => identityOf(request, peer, { trusted, identify: undefined })
    expect((await of('::ffff:10.0.0.7'))?.user).toBe('alice')
    for (const peer of ['10.0.0.70', 'unknown', '']) expect(await of(peer), peer).toBeUndefined()
  })
  it('has no default password beside it, and acts need the page’s own origin and token all the same', async () => {
    const { base, session } = await started(TRUSTED)
    const headers = { 'x-forwarded-user': 'alice', 'content-type': 'application/json' }
    const signIn = await fetch(`${base}/api/session`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json', origin: base } },
      body: JSON.stringify({ user: 'admin', password: 'admin' }),
    })
    expect(signIn.status).toBe(401)
    const act = async (more: Record<string, string>) => {
      const response = await fetch(`${base}/api/scale`, {
        method: 'POST',
        headers: { ...headers, ...more },
        body: '{}',
      })
      return ((await response.json()) as { error: string }).error
    }
    const { token = '' } = await session({ 'x-forwarded-user': 'alice' })
    expect(await act({ origin: 'https://evil.example', 'x-csrf-token': token })).toBe('WRONG_ORIGIN')
    expect(await act({ origin: base })).toBe('WRONG_TOKEN')
    expect(await act({ origin: base, 'x-csrf-token': token })).toBe('INVALID_OPTIONS')
    expect(await act({ origin: base, 'x-csrf-token': token, 'x-forwarded-user': 'bob' })).toBe('WRONG_TOKEN')
  })
  it('cannot be signed out of here: that is said', async () => {
    const { base } = await started(TRUSTED)
    const response = await fetch(`${base}/api/session`, {
      method: 'DELETE',
      headers: { 'x-forwarded-user': 'alice', origin: base },
    })
    expect([response.status, ((await response.json()) as { error: string }).error]).toEqual([
      409,
      'SIGNED_IN_ELSEWHERE',
    ])
  })
  it.each([
    [{ header: 'a b' }, 'the name of a header'],
    [{ header: 'x', operators: 'alice' }, 'a list of names'],
    [{ header: 'x', proxies: ['proxy.example'] }, 'a list of IP addresses'],
    [{ header: 'x', operator: ['alice'] }, 'without `operator`'],
  ])('that makes no sense is refused: %j', async (trustedHeader, expected) => {
    await expect(startConsole({ ...OPTIONS, trustedHeader: trustedHeader as never })).rejects.toThrow(expected)
  })
})

describe('Mounted in an application', () => {
  const mounted = (options: Partial<ConsoleOptions> = {}) => {
    const console = mountConsole({
      ...{ ...OPTIONS, basePath: '/warren' },
      identify: (request) => (request.headers.get('x-app-user') ? { user: 'carol', role: 'operator' } : undefined),
      ...options,
    })
    closing.push(() => console.close())
    return console
  }
  const listening = async (server: Server): Promise<string> => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closing.push(() => {
      server.closeAllConnections()
      server.close()
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  it('it answers under its path, in hono by `fetch`', async () => {
    const { fetch: handle, readOnly } = mounted()
    const app = new Hono()
      .all('/warren', (context) => handle(context.req.raw))
      .all('/warren/*', (context) => handle(context.req.raw))
    const of = (path: string, headers = {}) => app.request(`http://app.example${path}`, { headers })
    expect(readOnly).toBe(false)
    expect((await of('/warren')).status).toBe(308)
    expect(await (await of('/warren/tasks/1')).text()).toContain('<base href="../">')
    expect(await (await of('/warren/api/session')).json()).toEqual({ signedIn: false })
    expect(await (await of('/warren/api/session', { 'x-app-user': '1' })).json()).toMatchObject({
      user: 'carol',
      canSignOut: false,
    })
    expect((await of('/other')).status).toBe(404)
  })
  it('it answers to Node’s own requests, also where the path was taken off and is kept aside', async () => {
    const { listener } = mounted()
    const base = await listening(
      createServer((request, response) => {
        const whole = Object.assign(request, { originalUrl: request.url })
        whole.url = (request.url ?? '').replace(/^\/warren/, '') || '/'
        void listener(whole, response)
      }),
    )
    expect((await fetch(`${base}/warren`, { redirect: 'manual' })).status).toBe(308)
    const session = await fetch(`${base}/warren/api/session`, { headers: { 'x-app-user': '1' } })
    expect(await session.json()).toMatchObject({ user: 'carol', role: 'operator' })
    expect((await fetch(`${base}/warren/main.js`)).headers.get('content-type')).toContain('javascript')
  })
  it('an application that cannot say who asks lets nobody in', async () => {
    for (const identify of [
      () => Promise.reject(new Error('database away: secret')),
      () => ({ user: 'x', role: 'root' }) as never,
      () => 'carol' as never,
    ]) {
      const { fetch: handle } = mounted({ identify })
      const response = await handle(new Request('http://app.example/warren/api/session'))
      const text = await response.text()
      expect([response.status, text.includes('secret')]).toEqual([503, false])
      expect(text).toContain('IDENTIFY_FAILED')
    }
  })
  it('without `identify` it needs accounts, and is read-only unless told otherwise', () => {
    expect(() => mountConsole(OPTIONS)).toThrow('accounts')
    const { identify: _, ...rest } = { ...OPTIONS, identify: undefined }
    const accounts = [{ user: 'a', password: 'b', role: 'operator' }] as const
    expect(mounted({ ...rest, accounts, identify: undefined as never }).readOnly).toBe(true)
  })
})
