/** What the page makes of what its server says, in a browser: unknown, under a prefix, at any width, by keyboard. No cluster is asked. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openBrowser, openPage, seriousFindings } from '../support/browser.js'
import { consoleAnswer, overview, PAUSED_QUEUE, QUEUE, TASK_ID, UNKNOWN_QUEUE } from '../support/consoleFacts.js'
import { type FakeConsole, serveFakeConsole } from '../support/fakeConsole.js'

/** Every view, by its address, and what is on it. */
const VIEWS: readonly (readonly [path: string, shown: string])[] = [
  ['', 'Busiest tasks'],
  ['tasks', 'payment.invoice.create'],
  [`tasks/${TASK_ID}`, 'the bank said 503'],
  ['queues', QUEUE.name],
  [`queues/%2F/${QUEUE.name}`, 'The last twenty minutes'],
  ['schedules', 'nightly'],
  ['schedules/shop/nightly', 'Next ticks'],
  ['flows', 'album-7'],
  ['flows/album-7', 'image.fetch'],
  ['dead-letters', 'payment.dlq'],
  ['dead-letters/payment.dlq', 'By error'],
  ['workers', 'worker-1'],
  ['cluster', 'Queues and their copies'],
  ['lab', 'A burst of tasks'],
]
const RAIL = ['Overview', 'Tasks', 'Queues', 'Dead letters', 'Schedules', 'Flows', 'Workers', 'Cluster', 'Lab']

const asked: { readonly method: string; readonly path: string; readonly body: unknown }[] = []
const acts = () => asked.filter(({ method }) => method !== 'GET').map(({ path, body }) => ({ path, body }))
let browser: Browser
let served: FakeConsole
let page: Page
let complaints: string[]
beforeAll(async () => {
  served = await serveFakeConsole({
    moment: overview(),
    prefix: '/ops/warren',
    answer: (method, path, body) => {
      asked.push({ method, path, body })
      if (method === 'GET') return consoleAnswer(path)
      if (path.endsWith('/redrive') || path.endsWith('/purge')) {
        return {
          matched: 2,
          kept: 0,
          done: 2,
          destinations: [{ exchange: 'payment.commands', routingKey: 'payment.charge.make', count: 2 }],
          problems: [],
        }
      }
      return path.endsWith('/trigger')
        ? { taskId: TASK_ID }
        : { outcome: 'cancelled', status: 'REVOKED', state: 'cancelled' }
    },
  })
  browser = await openBrowser()
  ;({ page, complaints } = await openPage(browser))
})
afterAll(async () => {
  await browser?.close()
  served?.close()
})

const open = async (path: string) => {
  asked.length = 0
  await page.goto(`${served.url}${path}`)
  await page.locator('.summary[data-well]').waitFor()
}
const shown = (text: string) => page.locator('#main').getByText(text).first().waitFor()
const button = (name: string) => page.getByRole('button', { name, exact: true })
const dialog = () => page.getByRole('dialog')

describe.each(VIEWS)('The view /%s', (path, text) => {
  it('opens by its address, without a complaint of the browser’s, and fits every screen', async () => {
    await open(path)
    await shown(text)
    for (const width of [375, 1440, 1920]) {
      await page.setViewportSize({ width, height: 900 })
      expect(await page.evaluate('document.documentElement.scrollWidth'), `at ${width}`).toBeLessThanOrEqual(width)
    }
    expect(complaints).toEqual([])
  })
  it('has nothing serious for axe, light and dark, wide and narrow', async () => {
    for (const width of [375, 1440]) {
      await page.setViewportSize({ width, height: 900 })
      expect(await seriousFindings(page), `light, ${width}`).toEqual([])
    }
    // Of all that axe looks at, the theme changes colours alone.
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await seriousFindings(page, ['color-contrast']), 'dark').toEqual([])
    await page.emulateMedia({ colorScheme: 'light' })
  })
})

it('Every view is reached by keyboard, and its heading has the focus then', async () => {
  await page.setViewportSize({ width: 1440, height: 900 })
  await open('lab')
  for (const name of RAIL) {
    const link = page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: new RegExp(`^${name}`) })
    await link.focus()
    await page.keyboard.press('Enter')
    await page.locator('nav.views a[aria-current=page]', { hasText: name }).waitFor()
    expect(await page.evaluate('document.activeElement.tagName'), name).toBe('H1')
  }
  await page.keyboard.press('/')
  expect(await page.evaluate('document.activeElement.id')).toBe('search')
  await page.keyboard.type(TASK_ID)
  await page.keyboard.press('Enter')
  await shown('the bank said 503')
  await page.goBack()
  await shown('A burst of tasks')
})

it('On a telephone the rest of the views is behind “More”', async () => {
  await page.setViewportSize({ width: 375, height: 800 })
  await open('')
  const link = page.getByRole('link', { name: 'Cluster', exact: true })
  expect(await link.isVisible()).toBe(false)
  await button('More').click()
  await link.click()
  await shown('Queues and their copies')
  expect(await link.isVisible()).toBe(false)
  await page.setViewportSize({ width: 1440, height: 900 })
})

it('A filter is in the address, and a link to a filtered list opens the same elsewhere', async () => {
  await open('tasks')
  await page.getByRole('link', { name: 'Failed', exact: true }).click()
  await page.getByLabel('Id, name or error').fill('bank said 503')
  await page.waitForURL(/tasks\?state=failed&q=bank\+said\+503$/)
  const rows = page.locator('#main tbody tr')
  await shown('payment.charge.make')
  expect(await rows.count()).toBe(1)
  const elsewhere = await openPage(browser)
  await elsewhere.page.goto(page.url())
  await elsewhere.page.locator('#main tbody tr', { hasText: 'payment.charge.make' }).waitFor()
  expect(await elsewhere.page.getByLabel('Id, name or error').inputValue()).toBe('bank said 503')
  await elsewhere.page.close()
  await rows.getByRole('link', { name: 'payment.charge.make' }).click()
  expect(new URL(page.url()).pathname).toBe(`/ops/warren/tasks/${TASK_ID}`)
  expect(asked.map(({ path }) => path)).toContain('/api/tasks?state=failed&q=bank+said+503')
})

it('A task shows each of its attempts, with the waits between them, and its dead letter', async () => {
  await open(`tasks/${TASK_ID}`)
  const steps = page.getByRole('list', { name: 'Attempts' }).locator('li')
  await page.getByText('dead-lettered').first().waitFor()
  const texts = await steps.allTextContents()
  expect(texts.filter((text) => /#\d/.test(text)).map((text) => text.slice(0, 2))).toEqual(['#1', '#2', '#3'])
  expect(texts.filter((text) => text.startsWith('waited'))).toEqual(['waited 200 ms', 'waited 1.1 s', 'waited 9.5 s'])
  await shown('"order": 4711')
  await button('Send back this task').click()
  await dialog().getByText('2 to payment.commands → payment.charge.make').waitFor()
  await dialog().getByRole('button', { name: 'Send 2 back' }).click()
  await page.locator('.notice.good').first().waitFor()
  const path = '/api/dead-letters/payment.dlq/redrive'
  const filter = { id: TASK_ID }
  expect(acts()).toEqual([
    { path, body: { filter, dryRun: true } },
    { path, body: { filter, dryRun: false } },
  ])
})

it('Unknown is –, not 0 and not red: in the line at the top, the figures, the lists, the matrix', async () => {
  const { ready: _1, dead: _2, delayed: _3, p95: _4, busy: _5, ...rest } = overview({ troubles: [] })
  const unknown = { ...rest, rates: {}, queues: { inAll: 4, away: 0, unknown: 1 }, workers: { silent: 0 } }
  await open('')
  await served.tell('moment', unknown)
  const summary = page.locator('.summary[data-well=unknown]')
  await summary.waitFor()
  expect(await summary.textContent()).toContain('– workers, – messages waiting, nothing is known of 1 queue')
  for (const name of ['waiting', 'done', 'p95', 'delayed', 'dead']) {
    expect(await page.locator(`.tile.${name} .tile-value`).textContent(), name).toMatch(/^–/)
  }
  await open('queues')
  const cells = page.locator('tbody tr', { hasText: UNKNOWN_QUEUE.name }).locator('td')
  await cells.first().waitFor()
  expect((await cells.allTextContents()).slice(4)).toEqual(['–', '–', '–', '–', '–', '–', '–'])
  expect(await page.locator('tbody tr', { hasText: UNKNOWN_QUEUE.name }).locator('.badge.bad').count()).toBe(0)
  expect(await page.locator('tbody tr', { hasText: 'delayed (24 queues)' }).textContent()).toContain('20')
  await open('cluster')
  await page.locator('.matrix tbody .unknown').first().waitFor()
  expect(await page.locator('.matrix tbody .lost').count()).toBe(0)
  await served.tell('moment', overview({ nodes: overview().nodes.map((node) => ({ ...node, state: 'unknown' })) }))
  await page.locator('.summary[data-well=unknown]').waitFor()
  await served.tell('moment', overview({ queues: { inAll: 4, away: 1, unknown: 0 } }))
  await page.locator('.summary[data-well=false]', { hasText: '1 queue cannot be reached' }).waitFor()
})

it('A pause keeps what is shown as it is, until it ends', async () => {
  await open('')
  await button('❚❚ Pause').click()
  await served.tell('moment', overview({ ready: 99 }))
  await served.tell('happening', { id: 1, at: Date.now(), tone: 'plain', text: 'while paused' })
  expect(await page.locator('.tile.waiting .tile-value').textContent()).toBe('12')
  await button('▸ Go on').click()
  await served.tell('moment', overview({ ready: 100 }))
  await page.locator('.tile.waiting', { hasText: '100' }).waitFor()
})

it('Every act says what it does before it does it, and can be left', async () => {
  const act = async (path: string, name: string, sentence: string, go: string, reason?: string) => {
    await open(path)
    await button(name).first().click()
    await dialog().getByText(sentence).waitFor()
    await dialog().getByRole('button', { name: 'Cancel', exact: true }).click()
    expect(acts(), name).toEqual([])
    await button(name).first().click()
    if (reason !== undefined) await dialog().getByLabel('Why').fill(reason)
    await dialog().getByRole('button', { name: go }).click()
    await dialog().waitFor({ state: 'detached' })
    await page.locator('.notice').first().waitFor()
    return acts()
  }
  expect(await act('flows/album-7', 'Cancel this flow', 'never sent', 'Cancel the flow')).toEqual([
    { path: '/api/flows/album-7/cancel', body: {} },
  ])
  expect(await act('schedules', 'Trigger nightly', 'sent once, now', 'Send it now')).toEqual([
    { path: '/api/schedules/shop/nightly/trigger', body: {} },
  ])
  expect(
    await act('schedules/shop/nightly', 'Pause nightly', 'skipped, and not caught up', 'Pause the schedule', 'tests'),
  ).toEqual([{ path: '/api/schedules/shop/nightly/pause', body: { reason: 'tests' } }])
  expect(await act('schedules', 'Remove nightly', 'sends nothing more', 'Remove the schedule')).toEqual([
    { path: '/api/schedules/shop/nightly/remove', body: {} },
  ])
  expect(
    await act(`queues/%2F/${QUEUE.name}`, `Pause ${QUEUE.name}`, 'stop taking from it', 'Pause the queue', 'tests'),
  ).toEqual([{ path: `/api/queues/%2F/${QUEUE.name}/pause`, body: { reason: 'tests' } }])
  expect(
    await act('cluster', 'Kill rabbitmq-1', 'user.account.create.demo-service lives only there', 'Kill rabbitmq-1'),
  ).toEqual([{ path: '/api/process/rabbitmq-1/kill', body: {} }])
  expect(await act('workers', 'Freeze worker-1', 'waits for it', 'Freeze worker-1')).toEqual([
    { path: '/api/process/worker-1/freeze', body: {} },
  ])
  await open('schedules')
  await button('Resume weekly').click()
  await page.locator('.notice.good').waitFor()
  await open(`queues/%2F/${PAUSED_QUEUE.name}`)
  await shown('the disk is full')
  await button(`Resume ${PAUSED_QUEUE.name}`).click()
  await page.locator('.notice.good').waitFor()
  expect(acts()).toEqual([{ path: `/api/queues/%2F/${PAUSED_QUEUE.name}/resume`, body: {} }])
})

it('Dead letters are chosen one by one, by their error, or by a filter, and sent back at a rate', async () => {
  await open('dead-letters/payment.dlq')
  await page.getByRole('checkbox', { name: 'Select letter-1' }).check()
  await page.getByRole('checkbox', { name: 'Select letter-2' }).check()
  await shown('2 dead letters selected')
  await page.getByLabel('At most a second').fill('50')
  await button('Send back …').click()
  await dialog().getByText('At most 50 a second').waitFor()
  await dialog().getByRole('button', { name: 'Cancel', exact: true }).click()
  const path = '/api/dead-letters/payment.dlq/redrive'
  expect(acts()).toEqual([{ path, body: { filter: { id: ['letter-1', 'letter-2'] }, rate: 50, dryRun: true } }])
  await button('Select none').click()
  await page.getByRole('button', { name: /the bank said # for order #/ }).click()
  await page.waitForURL(/error=/)
  await page.getByLabel('Reason').selectOption('failed')
  asked.length = 0
  await button('Remove …').click()
  await dialog().getByText('Nothing brings them back').waitFor()
  await dialog().getByRole('button', { name: 'Remove 2' }).click()
  await page.locator('.notice.good').waitFor()
  const which = {
    filter: { reason: 'failed' },
    error: 'HandlerError: the bank said # for order #',
    look: 'look-1',
    rate: 50,
  }
  const purge = '/api/dead-letters/payment.dlq/purge'
  expect(acts()).toEqual([
    { path: purge, body: { ...which, dryRun: true } },
    { path: purge, body: { ...which, dryRun: false } },
  ])
})
