/**
 * A tab that looks on for an hour holds no more than one that has looked on for some minutes. The server is a fake one that
 * says in seconds what the console says in an hour of 10,000 tasks a second: a moment a second, a row each two, twenty
 * recent tasks a second (the console's bound, whatever the load), and happenings.
 */
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { SERIES } from '../../console/history.js'
import { openBrowser, openPage, type TabMemory, tabMemory } from '../support/browser.js'
import { type FakeConsole, serveFakeConsole } from '../support/fakeConsole.js'

/** Until then every list of the page is as long as it may get. */
const SECONDS_BEFORE = 250
/** Each second is a whole update of the page, so that what grows shows long before an hour. */
const SECONDS_IN_ALL = 600

let browser: Browser
let served: FakeConsole
beforeAll(async () => {
  served = await serveFakeConsole({ moment: moment(0) })
  browser = await openBrowser()
})
afterAll(async () => {
  await browser.close()
  served.close()
})

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
    ...{ proxy: { name: 'haproxy', state: 'running' }, store: { name: 'valkey', state: 'running' } },
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
    void served.tell('happening', {
      id: second,
      at: 1.7e12 + second,
      tone: 'plain',
      text: `${second}: rabbitmq-3 went down`,
    })
    void served.tell('tasks', {
      more: true,
      tasks: Array.from({ length: 20 }, (_, index) => ({
        ...{ id: `task-${second}-${index}`, status: 'SUCCESS', attempt: 1, worker: 'worker-1' },
        ...{ doneAt: new Date(1.7e12).toISOString(), result: { text: `{"n":${second}}` } },
      })),
    })
    if (second % 2 === 0) void served.tell('row', [1.7e9 + second, ...SERIES.map((_, index) => second * index)])
    await served.tell('moment', moment(second))
  }
}

it('The tab’s memory stays flat at 10,000 tasks a second', async () => {
  const { page, complaints } = await openPage(browser)
  await page.goto(served.url)
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
