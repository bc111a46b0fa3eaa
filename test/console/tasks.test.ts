/** Tasks, schedules and flows of a service of one’s own, in a browser: what happened to each, and what is done about it. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { type RunningConsole, startConsole } from '../../console/index.js'
import { chain, connect, DEAD_LETTER_DELIVERY_LIMIT, defineTask, step, type Warren } from '../../src/index.js'
import { openBrowser, openPage, signIn } from '../support/browser.js'
import { consuming, testCluster, until, virtualHost } from '../support/cluster.js'

const input = z.object({ order: z.number() })
const retry = (maxAttempts: number) => ({ maxAttempts, initialDelayMs: 300, backoff: 'fixed' as const })
/** Fails until the carrier answers again. */
const ship = defineTask({ name: 'shop.order.ship', input, retry: retry(3) })
const lose = defineTask({ name: 'shop.order.lose', input, retry: retry(2) })
const pack = defineTask({ name: 'shop.order.pack', input, output: z.object({ order: z.number() }) })
const tasks = [ship, lose, pack]

let warren: Warren
let served: RunningConsole
let browser: Browser
let page: Page
let complaints: string[]
let failures = 2
let found = false

beforeAll(async () => {
  const urls = await virtualHost('till', tasks)
  warren = await connect({ broker: urls.broker, results: urls.results, name: 'till-1', logger: false })
  const worker = warren.worker({ service: 'till' })
  worker.handle(ship, () => {
    if (failures-- > 0) throw new Error('the carrier answered 503')
  })
  worker.handle(lose, ({ order }) => {
    if (!found) throw new TypeError(`order ${order} has no address in the register`)
  })
  worker.handle(pack, (order) => order)
  await consuming(worker)
  ;[served, browser] = await Promise.all([
    startConsole({
      ...{ broker: urls.broker, results: urls.results, management: [...testCluster().management], port: 0 },
      deliveryLimit: DEAD_LETTER_DELIVERY_LIMIT,
    }),
    openBrowser(),
  ])
  ;({ page, complaints } = await openPage(browser))
  await signIn(page, served.url)
})
afterAll(async () => {
  await browser?.close()
  await served?.close()
  await warren?.close()
})

const open = async (path: string) => {
  await page.goto(`${served.url}${path}`)
  await page.locator('.summary[data-well]').waitFor()
}
const button = (name: string) => page.getByRole('button', { name, exact: true })
const dialog = () => page.getByRole('dialog')
const state = (text: string) => page.locator('.task-name', { hasText: text }).waitFor()
const steps = () => page.getByRole('list', { name: 'Attempts' }).locator('li').allTextContents()

it('A task that fails twice and succeeds shows its three attempts, with the waits between them', async () => {
  const handle = await warren.send(ship, { order: 1 })
  await handle.result({ timeoutMs: 30_000 })
  await open(`tasks/${handle.id}`)
  await state('✓ done')
  const texts = await steps()
  expect(texts.filter((text) => text.startsWith('#')).map((text) => text.slice(0, 4))).toEqual(['#1 ✗', '#2 ✗', '#3 ✓'])
  const waits = texts
    .filter((text) => text.startsWith('waited'))
    .map((text) => Number(/waited ([\d.]+) (?:ms|s)/.exec(text)?.[1]))
  expect(waits).toHaveLength(3)
  expect(texts.join('\n')).toContain('the carrier answered 503')
})

it('One that is dead-lettered is found by its error’s text, and sent back from its page', async () => {
  const { id } = await warren.send(lose, { order: 4711 })
  await until('the failure', async () => (await warren.state(id))?.status === 'FAILURE')
  await open('')
  await page.keyboard.press('/')
  await page.keyboard.type('no address in the register')
  await page.keyboard.press('Enter')
  await page.locator('tbody tr', { hasText: 'shop.order.lose' }).getByRole('link').first().click()
  await state('✗ failed')
  await page.getByText('"order": 4711').first().waitFor()
  found = true
  await button('Send back this task').click()
  await dialog().getByText('1 to shop.commands → shop.order.lose').waitFor()
  await dialog().getByRole('button', { name: 'Send 1 back' }).click()
  await state('✓ done')
  // The attempts of both runs are there.
  expect((await steps()).filter((text) => text.startsWith('#')).map((text) => text.slice(0, 4))).toEqual([
    '#1 ✗',
    '#2 ✗',
    '#1 ✓',
  ])
})

it('A schedule is triggered, paused with a reason, resumed and removed; the task that it sent is one click away', async () => {
  await warren
    .schedules({ service: 'till' })
    .upsert('stocktaking', { task: pack, input: { order: 7 }, cron: '0 3 * * *' })
  await open('schedules?service=till')
  await button('Trigger stocktaking').click()
  await dialog().getByRole('button', { name: 'Send it now' }).click()
  await page.locator('.notice.good', { hasText: 'Sent' }).waitFor()
  await page.getByRole('link', { name: 'stocktaking' }).click()
  await button('Pause stocktaking').click()
  await dialog().getByLabel('Why').fill('holidays')
  await dialog().getByRole('button', { name: 'Pause the schedule' }).click()
  await page.getByText('holidays').first().waitFor()
  expect((await warren.schedules({ service: 'till' }).get('stocktaking'))?.paused?.reason).toBe('holidays')
  await button('Resume stocktaking').click()
  await page.locator('.badge', { hasText: '✓ sends' }).waitFor()
  await button('Remove stocktaking').click()
  await dialog().getByRole('button', { name: 'Remove the schedule' }).click()
  await page.getByText('There is no such schedule').waitFor()
  // The browser complains of each answer that says so.
  expect(complaints.splice(0).filter((text) => !text.includes('status of 404'))).toEqual([])
  expect(await warren.schedules({ service: 'till' }).list()).toEqual([])
  await until('the task', async () => {
    await open('tasks?task=shop.order.pack')
    await page.locator('.pager').first().waitFor({ state: 'attached' })
    return (await page.locator('tbody tr', { hasText: '✓ done' }).count()) > 0
  })
})

it('A flow is listed, and shows its members and their states', async () => {
  const flow = await warren.flows.start(chain(step(pack, { order: 1 }), step(pack)), { id: `album-${Date.now()}` })
  await flow.result({ timeoutMs: 30_000 })
  await until('the flow in the list', async () => {
    await open('flows')
    await page.locator('.pager').first().waitFor({ state: 'attached' })
    return (await page.getByRole('link', { name: flow.id }).count()) > 0
  })
  await page.getByRole('link', { name: flow.id }).click()
  await page.locator('.flow-bar', { hasText: '2 ✓ succeeded' }).waitFor()
  await page.locator('tbody tr').first().getByRole('link', { name: 'shop.order.pack' }).click()
  await state('✓ done')
  expect(complaints).toEqual([])
})

it('Its worker and queues are found by the name of its service', async () => {
  await open('workers?service=till')
  await page.locator('tbody tr', { hasText: 'till-1' }).waitFor()
  await open('queues?q=till')
  await page.locator('tbody tr', { hasText: 'shop.order.ship.till' }).waitFor()
})
