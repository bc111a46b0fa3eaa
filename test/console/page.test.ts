/** What the page makes of a moment, in a browser: on a telephone, under a prefix, with much unknown. No cluster is asked. */
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openBrowser, openPage } from '../support/browser.js'
import { type FakeConsole, serveFakeConsole } from '../support/fakeConsole.js'

const QUEUE = { vhost: '/', type: 'quorum', role: 'task', leader: 'rabbitmq-1', members: ['rabbitmq-1'] }
const KNOWN = {
  ...{ state: 'running', online: ['rabbitmq-1'], ready: 7, unacknowledged: 1, consumers: 2 },
  ...{ published: 5, delivered: 5, acknowledged: 5 },
}
const dark = { ...QUEUE, name: 'payment.invoice.create.shop', state: 'unknown' }
const letters = { ...QUEUE, ...KNOWN, name: 'payment.dlq', role: 'deadLetters' }
const elsewhere = { ...letters, name: 'their.dlq', vhost: 'theirs' }
const levels = Array.from({ length: 24 }, (_, index) => ({
  ...{ ...QUEUE, ...KNOWN, name: `warren.delay.level.${index}`, role: 'delay', ready: 1 },
}))
const moment = (queues: readonly object[]) => ({
  ...{ at: 1.7e12, cluster: 'warren', version: '4.1.0', ready: 7, unacknowledged: 1, queues, rates: {}, latency: [] },
  nodes: ['rabbitmq-1', 'rabbitmq-2', 'rabbitmq-3'].map((name) => ({
    ...{ name, state: 'up', controlled: true, alarms: [], partitions: [] },
  })),
  exchanges: [{ name: 'payment.commands', vhost: '/', role: 'commands', published: 5, queues: [dark.name] }],
  ...{ workers: [{ name: 'w', state: 'running', controlled: true, queues: [] }], ages: {} },
})

const asked: { readonly path: string; readonly body: unknown }[] = []
let browser: Browser
let served: FakeConsole
beforeAll(async () => {
  served = await serveFakeConsole({
    moment: moment([dark, letters, elsewhere, ...levels]),
    prefix: '/ops/warren',
    answer: (method, path, body) => {
      if (!path.startsWith('/api/dead-letters')) return []
      asked.push({ path, body })
      if (method === 'GET') return { letters: [], reasons: {}, scanned: 0, more: false }
      return { matched: 2, kept: 0, done: 2, destinations: [], problems: [] }
    },
  })
  browser = await openBrowser()
})
afterAll(async () => {
  await browser.close()
  served.close()
})

it('Unknown is –: the line at the top is not green, the table says no 0, and nothing is red', async () => {
  const { page, complaints } = await openPage(browser)
  await page.goto(served.url)
  const summary = page.locator('.summary[data-well=unknown]')
  await summary.waitFor()
  expect(await summary.textContent()).toContain(
    '3 of 3 nodes up, 1 worker, 7 messages waiting, nothing is known of 1 queue',
  )
  const row = page.locator('.queues tbody tr', { hasText: dark.name })
  expect(await row.locator('td').allTextContents()).toEqual(['quorum', 'rabbitmq-1', '1', ...Array(6).fill('–')])
  expect(await page.locator('.picture .lost, .queues .badge.bad').count()).toBe(0)
  expect(await page.locator('.picture .chip.unknown').count()).toBe(1)
  // All levels of delay are one row and one box.
  expect(await page.locator('.queues tbody tr').count()).toBe(4)
  expect(await page.locator('.queues tbody tr', { hasText: 'delayed (24 queues)' }).textContent()).toContain('24')
  // There is nothing to link to.
  expect(await page.locator('nav a').count()).toBe(0)
  await served.tell('moment', moment([{ ...dark, ...KNOWN }]))
  await page.locator('.summary[data-well=true]').waitFor()
  await served.tell('moment', moment([{ ...dark, ...KNOWN, state: 'down' }]))
  await page.locator('.summary[data-well=false]', { hasText: '1 queue cannot be reached' }).waitFor()
  await served.tell('moment', { ...moment([]), addresses: { edge: 'http://127.0.0.1:1' } })
  await page.locator('nav a').first().waitFor()
  expect(await page.locator('nav a').allTextContents()).toEqual(['RabbitMQ', 'HAProxy'])
  expect(complaints).toEqual([])
  await page.close()
})

it.each([320, 375, 768])('The picture is whole on a screen of %i pixels', async (width) => {
  const { page } = await openPage(browser)
  await page.setViewportSize({ width, height: 800 })
  await page.goto(served.url)
  const frame = page.getByRole('region', { name: 'Picture of the cluster' })
  await frame.locator('.chip').first().waitFor()
  expect(await frame.evaluate((element) => element.scrollWidth - element.clientWidth)).toBe(0)
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
  await page.close()
})

it('Dead letters are browsed and sent back by task and text, and only those within reach are offered', async () => {
  const { page } = await openPage(browser)
  await page.goto(served.url)
  await page.locator('#dlq option').first().waitFor({ state: 'attached' })
  expect(await page.locator('#dlq option').allTextContents()).toEqual(['payment.dlq (7)'])
  await page.getByLabel('Of the task').fill('payment.invoice.create')
  await page.getByLabel('Containing').fill('card & more')
  await page.getByRole('button', { name: 'Browse' }).click()
  await page
    .locator('#dlq-note', { hasText: 'holds no dead letter of the task payment.invoice.create with “card & more”' })
    .waitFor()
  await page.getByRole('button', { name: 'Send back …' }).click()
  await page.getByRole('dialog', { name: /of the task payment.invoice.create with “card & more”/ }).waitFor()
  await page.getByRole('button', { name: 'Send 2 back' }).click()
  await page.locator('.notice.good').waitFor()
  const filter = { task: 'payment.invoice.create', text: 'card & more' }
  expect(asked.slice(0, 3)).toEqual([
    { path: '/api/dead-letters/payment.dlq?task=payment.invoice.create&text=card+%26+more', body: undefined },
    { path: '/api/dead-letters/payment.dlq/redrive', body: { filter, dryRun: true } },
    { path: '/api/dead-letters/payment.dlq/redrive', body: { filter, dryRun: false } },
  ])
  await page.close()
})
