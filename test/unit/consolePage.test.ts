/** The files of the console’s page, as they are served. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningConsole, startConsole } from '../../console/index.js'
import { pageFiles, pageVersion, shellFor } from '../../console/page.js'
import { errorOf, OPTIONS, signInAt } from '../support/unreachingConsole.js'

let served: RunningConsole
let base: string
beforeAll(async () => {
  served = await startConsole(OPTIONS)
  base = served.url.replace(/\/$/, '')
})
afterAll(() => served.close())

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
    const { cookie, token } = await signInAt(at)
    const response = await fetch(`${at}/a/warren/api/scale`, {
      method: 'POST',
      headers: { cookie, origin: at, 'x-csrf-token': token, 'content-type': 'application/json' },
      body: '{}',
    })
    expect(await errorOf(response)).toBe('INVALID_OPTIONS')
  })
  it('nothing of the page asks for an address at the root', async () => {
    for (const [path, { body }] of [...pageFiles(), ['the shell', shellFor('/')] as const]) {
      if (!path.startsWith('/lib/'))
        expect(Buffer.from(body).toString(), path).not.toMatch(/(?:src|href)[=:] ?['"]\/|from '\/|['`]\/api/)
    }
  })
  it.each(['/a/../b', '//evil', '/a b', '/a?b', '/%2e', 7])('%s is no prefix', async (basePath) => {
    await expect(startConsole({ ...OPTIONS, basePath: basePath as string })).rejects.toThrow('a path such as /warren')
  })
})

it('The page is at most 150 kB for browsers that take gzip, and whole for others', async () => {
  const sent = [...pageFiles().values(), shellFor('/')].reduce((sum, { zipped }) => sum + zipped.length, 0)
  expect(sent).toBeLessThanOrEqual(150_000)
  const take = (encoding: string) => fetch(`${base}/main.js`, { headers: { 'accept-encoding': encoding } })
  const [zip, whole, none] = await Promise.all([take('br, gzip'), take('identity'), take('gzip;q=0, identity')])
  expect(zip.headers.get('content-encoding')).toBe('gzip')
  expect([whole.headers.get('content-encoding'), none.headers.get('content-encoding')]).toEqual([null, null])
  expect(await zip.text()).toBe(await whole.text())
  expect(zip.headers.get('etag')).not.toBe(whole.headers.get('etag'))
})

it('Serves the page’s own files and nothing beside them', async () => {
  for (const path of ['/../package.json', '/%2e%2e/package.json', '/page.ts', '/lib/uPlot.cjs.js', '/api']) {
    expect((await fetch(`${base}${path}`)).status, path).toBeGreaterThanOrEqual(401)
  }
  const first = await fetch(`${base}/style.css`)
  const again = await fetch(`${base}/style.css`, { headers: { 'if-none-match': first.headers.get('etag') ?? '' } })
  expect([first.status, again.status]).toEqual([200, 304])
})

describe('The page asks for its files', () => {
  const asked = async (path: string): Promise<string[]> => {
    const html = await (await fetch(`${base}${path}`)).text()
    const root = new URL(/<base href="([^"]+)">/.exec(html)?.[1] ?? '', `${base}${path}`)
    return [...html.matchAll(/<(?:link|script) [^>]*(?:href|src)="([^"]+)"/g)].map(
      ([, address = '']) => new URL(address, root).href,
    )
  }

  it('by addresses that name their version, which a browser keeps', async () => {
    const addresses = await asked('/')
    expect(addresses.length).toBeGreaterThan(pageFiles().size - 5)
    for (const address of addresses) {
      const response = await fetch(address)
      expect([response.status, response.headers.get('cache-control')], address).toEqual([
        ...[200, 'public, max-age=31536000, immutable'],
      ])
    }
    expect(await asked('/tasks/one')).toEqual(addresses)
  })

  it('of another version, and gets what there is, which a browser asks for again', async () => {
    const response = await fetch(`${base}/v/another/main.js`)
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-cache'])
    expect(await response.text()).toBe(Buffer.from(pageFiles().get('/main.js')?.body ?? []).toString())
    expect((await fetch(`${base}/v/${pageVersion()}/nothing.js`)).status).toBe(404)
  })

  it('all at once, and the page itself is always asked for again', async () => {
    const html = await fetch(`${base}/`)
    expect(html.headers.get('cache-control')).toBe('no-cache')
    const preloaded = [...(await html.text()).matchAll(/rel="modulepreload" href="v\/[^/]+([^"]+)"/g)]
    expect(preloaded.map(([, path]) => path).sort()).toEqual(
      [...pageFiles().keys()].filter((path) => path.endsWith('.js')).sort(),
    )
  })
})
