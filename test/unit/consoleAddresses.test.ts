/** The page’s addresses: each view has one, and finds its files whatever prefix a proxy puts before it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningConsole, startConsole } from '../../console/index.js'
import { pageFiles, shellFor } from '../../console/page.js'

let served: RunningConsole
beforeAll(async () => {
  served = await startConsole({ broker: 'amqp://o:o@127.0.0.1:1', management: 'http://127.0.0.1:1', port: 0 })
})
afterAll(() => served.close())

describe('Every view', () => {
  it.each([
    ...['', 'tasks', 'tasks/88c55898', 'queues', 'queues/%2F/a.b', 'schedules', 'schedules/shop/x', 'flows', 'flows/x'],
    ...['dead-letters', 'dead-letters/user.dlq', 'workers', 'cluster', 'lab', 'tasks/', 'tasks?state=failed&q=a%2Fb'],
  ])('/%s is the page, whose files are found from there', async (path) => {
    const url = new URL(path, served.url)
    const response = await fetch(url)
    const html = await response.text()
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    const base = /<base href="([^"]+)">/.exec(html)?.[1] ?? ''
    expect(new URL('main.js', new URL(base, url)).href).toBe(`${served.url}main.js`)
  })
  it('is none of another name', async () => {
    for (const path of ['nothing', 'task', 'tasksx', 'queue/x']) {
      expect((await fetch(`${served.url}${path}`)).status, path).toBe(404)
    }
  })
})

it('An address of any length is no reason to keep it', () => {
  for (let depth = 0; depth < 100; depth++) shellFor(`/tasks${'/x'.repeat(depth)}`)
  expect(shellFor(`/tasks${'/x'.repeat(50)}`)).not.toBe(shellFor(`/tasks${'/x'.repeat(50)}`))
  expect(shellFor('/tasks/x')).toBe(shellFor('/flows/y'))
})

it('The page, with all it needs, is at most 150 kB compressed', () => {
  const bytes = [...pageFiles().values()].reduce((sum, { zipped }) => sum + zipped.length, 0)
  expect(bytes).toBeLessThan(150_000)
})
