/**
 * A tab that looks on for an hour holds no more than one that has looked on for some minutes. The server is a fake one that
 * says in seconds what the console says in an hour of 10,000 tasks a second: a moment a second, a row each two, twenty
 * recent tasks a second (the console's bound, whatever the load), and happenings.
 */
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { SERIES } from '../../console/history.js'
import { pageFiles } from '../../console/page.js'
import { openBrowser, openPage, type TabMemory, tabMemory } from '../support/browser.js'

/** Until then every list of the page is as long as it may get. */
const SECONDS_BEFORE = 250
/** Each second is a whole update of the page, so that what grows shows long before an hour. */
const SECONDS_IN_ALL = 600

let browser: Browser
let server: Server
let stream: ServerResponse | undefined
beforeAll(async () => {
  const files = pageFiles()
  server = createServer(({ url = '/' }, response) => {
    const file = files.get(url)
    if (file !== undefined) response.writeHead(200, { 'content-type': file.type }).end(file.body)
    else if (url === '/api/session') json(response, SESSION)
    else if (url === '/api/stream') {
      stream = response.writeHead(200, { 'content-type': 'text/event-stream' })
      tell('hello', {
        series: SERIES,
        rows: [],
        happenings: [],
        moment: moment(0),
        tasks: [],
        burst: null,
        drill: null,
      })
    } else json(response, [])
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  browser = await openBrowser()
})
afterAll(async () => {
  await browser.close()
  server.closeAllConnections()
  server.close()
})

const SESSION = {
  ...{ signedIn: true, user: 'admin', role: 'operator', token: 'x', readOnly: false },
  can: { act: true, burst: true, control: true, drills: true, tasks: true },
}

const json = (response: ServerResponse, body: unknown): void => {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** Resolves once the connection has taken it. */
function tell(event: string, data: unknown): Promise<void> {
  return new Promise((resolve) => {
    const done = stream?.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`, () => resolve())
    if (done === undefined) resolve()
  })
}

/** A busy cluster: nodes come and go, leaders move, workers change, nothing stays as it is. */
function moment(second: number): unknown {
  const down = second % 20 < 3
  const queue = (name: string, type: string, role: string, leader: number) => ({
    ...{ name, vhost: '/', type, role, state: 'running', leader: `rabbitmq-${leader}` },
    ...{ members: ['rabbitmq-1', 'rabbitmq-2', 'rabbitmq-3'], online: ['rabbitmq-1', 'rabbitmq-2'], consumers: 10 },
    ...{
      ready: second,
      unacknowledged: second % 400,
      published: 10_000 + second,
      delivered: 9_000,
      acknowledged: 9_000,
    },
    ...{ publishedTotal: second * 10_000, deadLetterExchange: 'user.dlx' },
  })
  return {
    ...{ at: 1.7e12 + second * 1_000, cluster: 'warren', version: '4.1.0', ready: second, unacknowledged: 400 },
    nodes: [1, 2, 3].map((node) => ({
      ...{ name: `rabbitmq-${node}`, state: node === 3 && down ? 'down' : 'up', controlled: true },
      ...{ alarms: [], partitions: [], memoryBytes: 1e8 + second, memoryLimitBytes: 1e9, uptimeMs: second * 1_000 },
    })),
    exchanges: [
      { name: 'user.commands', vhost: '/', role: 'commands', published: 10_000, queues: ['user.account.create.demo'] },
      { name: 'user.dlx', vhost: '/', role: 'deadLetters', published: second % 3, queues: ['user.dlq'] },
    ],
    queues: [
      queue('user.account.create.demo', 'quorum', 'task', 1 + (Math.floor(second / 10) % 3)),
      queue('user.dlq', 'quorum', 'deadLetters', 1),
    ],
    workers: Array.from({ length: 5 + (second % 6) }, (_, index) => ({
      ...{ name: `worker-${index + 1}`, state: index === 2 && down ? 'restarting' : 'running', controlled: true },
      ...{ running: second % 2, held: second % 50, finished: 2_000, ready: true, queues: [] },
    })),
    ...{ proxy: { name: 'haproxy', state: 'running' }, store: { name: 'valkey', state: 'running' }, connections: 20 },
    rates: {
      published: 10_000,
      confirmed: 10_000,
      delivered: 10_000,
      acknowledged: 10_000,
      deadLettered: 1,
      finished: 10_000,
    },
    latency: [],
    ages: {},
  }
}

async function live(from: number, to: number): Promise<void> {
  for (let second = from + 1; second <= to; second++) {
    void tell('happening', { id: second, at: 1.7e12 + second, tone: 'plain', text: `${second}: rabbitmq-3 went down` })
    void tell('tasks', {
      more: true,
      tasks: Array.from({ length: 20 }, (_, index) => ({
        ...{ id: `task-${second}-${index}`, status: 'SUCCESS', attempt: 1, worker: 'worker-1' },
        ...{ doneAt: new Date(1.7e12).toISOString(), result: { text: `{"n":${second}}` } },
      })),
    })
    if (second % 2 === 0) void tell('row', [1.7e9 + second, ...SERIES.map((_, index) => second * index)])
    await tell('moment', moment(second))
  }
}

it('The tab’s memory stays flat at 10,000 tasks a second', async () => {
  const { page, complaints } = await openPage(browser)
  const { port } = server.address() as AddressInfo
  await page.goto(`http://127.0.0.1:${port}/`)
  const session = await page.context().newCDPSession(page)
  await session.send('HeapProfiler.enable')
  const seen = (second: number) =>
    page.locator('.summary', { hasText: `${second.toLocaleString('en-US')} messages waiting` }).waitFor()
  const after = async (from: number, to: number): Promise<TabMemory> => {
    await live(from, to)
    await seen(to)
    return tabMemory(session)
  }
  await seen(0)
  const early = await after(0, SECONDS_BEFORE)
  const late = await after(SECONDS_BEFORE, SECONDS_IN_ALL)
  const said = (memory: TabMemory) =>
    `${(memory.heapBytes / 1e6).toFixed(1)} MB, ${memory.nodes} nodes, ${memory.listeners} listeners`
  console.log(`tab after ${SECONDS_BEFORE} s of data: ${said(early)}; after ${SECONDS_IN_ALL} s: ${said(late)}`)
  // Rows of the charts fill up to their hour: ten numbers each.
  expect(late.heapBytes - early.heapBytes).toBeLessThan(1_500_000)
  expect(late.nodes).toBeLessThan(early.nodes * 1.1)
  expect(late.listeners).toBeLessThan(early.listeners * 1.1)
  expect(complaints).toEqual([])
})
