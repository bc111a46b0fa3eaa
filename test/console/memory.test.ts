/**
 * A tab that looks on for an hour holds no more than one that has looked on for some minutes. The server is a fake one that
 * says in seconds what the console says in an hour of 10,000 tasks a second: a moment a second, a row each two, twenty
 * recent tasks a second (the console's bound, whatever the load), and happenings.
 */
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { SERIES } from '../../console/history.js'
import { openBrowser, openPage, type TabMemory, tabMemory } from '../support/browser.js'
import { consoleAnswer, overview } from '../support/consoleFacts.js'
import { type FakeConsole, serveFakeConsole } from '../support/fakeConsole.js'

/** Until then every list of the page is as long as it may get. */
const SECONDS_BEFORE = 250
/** Each second is a whole update of the page, so that what grows shows long before an hour. */
const SECONDS_IN_ALL = 600

let browser: Browser
let served: FakeConsole
beforeAll(async () => {
  served = await serveFakeConsole({ moment: moment(0), answer: (_method, path) => consoleAnswer(path) })
  browser = await openBrowser()
})
afterAll(async () => {
  await browser.close()
  served.close()
})

/** A busy cluster: nodes come and go, workers change, nothing stays as it is. */
function moment(second: number): unknown {
  const down = second % 20 < 3
  return overview({
    ...{ at: 1.7e12 + second * 1_000, ready: second, unacknowledged: second % 400, dead: second % 7 },
    nodes: [1, 2, 3].map((node) => ({
      ...{
        name: `rabbitmq-${node}`,
        state: node === 3 && down ? ('down' as const) : ('up' as const),
        controlled: true,
      },
      ...{ alarms: [], partitions: [], memoryBytes: 1e8 + second, memoryLimitBytes: 1e9, uptimeMs: second * 1_000 },
    })),
    rates: { published: 10_000 + second, delivered: 10_000, acknowledged: 10_000, deadLettered: 1, finished: 10_000 },
    busy: [0, 1, 2].map((index) => ({ task: `user.task.${(second + index) % 50}`, perSecond: second, failed: 0.1 })),
    queues: { inAll: 1_000, away: down ? 1 : 0, unknown: 0 },
    workers: { inAll: 200, well: 200, busy: second % 200, controlled: 5, silent: 0 },
    troubles: [{ tone: 'warn', text: `trouble ${second % 30}`, at: 'queues' }],
  })
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
    page.locator('.summary', { hasText: `, ${second.toLocaleString('en-US')} messages waiting` }).waitFor()
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
