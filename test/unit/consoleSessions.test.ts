/** Sessions of the console: how long they last, and what ends them. */
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EndedSessions } from '../../console/endedSessions.js'
import { type RunningConsole, startConsole } from '../../console/index.js'
import { Sessions, sessionKey } from '../../console/sessions.js'
import { actAt, OPTIONS, signInAt } from '../support/unreachingConsole.js'

let served: RunningConsole
let base: string
beforeAll(async () => {
  served = await startConsole(OPTIONS)
  base = served.url.replace(/\/$/, '')
})
afterAll(() => served.close())

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
    const status = async (at: string) => (await actAt(at, '/dead-letters/q', { cookie }, 'GET')).status
    await restarted(async (at) => {
      ;({ cookie } = await signInAt(at))
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
