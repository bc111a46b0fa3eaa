/** The console in a browser, against the real cluster: what a person does with it, in the order in which one would. */
import { randomUUID } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as amqpConnect } from 'amqplib'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Folder } from '../../cluster/index.js'
import { type RunningConsole, startConsole } from '../../console/index.js'
import { invoiceInput } from '../../demo/payloads.js'
import { createInvoice } from '../../demo/tasks.js'
import { connect, DEAD_LETTER_DELIVERY_LIMIT } from '../../src/index.js'
import { openBrowser, openPage, seriousFindings, signIn } from '../support/browser.js'
import { clusterUrls, manage, scale, testCluster, until } from '../support/cluster.js'

const USER_QUEUE = 'user.account.create.demo-service'
const PAYMENT_QUEUE = 'payment.invoice.create.demo-service'
const stateFolder = join(mkdtempSync(join(tmpdir(), 'console-')), 'state')

let browser: Browser
let page: Page
let complaints: string[]
let served: RunningConsole

function addresses(user: string): { broker: string; results: string } {
  const { broker, results } = clusterUrls(user)
  return { broker, results }
}

const serve = (port: number): Promise<RunningConsole> =>
  startConsole({
    ...addresses('operator'),
    management: [...testCluster().management],
    control: new Folder(testCluster().dir).controlSocket,
    deliveryLimit: DEAD_LETTER_DELIVERY_LIMIT,
    accounts: [
      { user: 'admin', password: 'admin', role: 'operator' },
      { user: 'viewer', password: 'viewer', role: 'viewer' },
    ],
    ...{ port, stateFolder },
  })

/** A message straight onto a queue, past everything: the way of whoever has a password and no manners. */
async function put(exchange: string, key: string, content: Buffer, properties: object): Promise<void> {
  const connection = await amqpConnect(clusterUrls().broker)
  const channel = await connection.createConfirmChannel()
  channel.publish(exchange, key, content, properties)
  await channel.waitForConfirms()
  await connection.close()
}

const event = (text: string | RegExp) => page.locator('.feed li', { hasText: text })
const button = (name: string) => page.getByRole('button', { name, exact: true })
const dialog = () => page.getByRole('dialog')
const facts = (name: string) => manage<{ node: string; leader?: string }>('GET', `/queues/%2F/${name}`)

beforeAll(async () => {
  await scale(2)
  for (const queue of ['payment.dlq', 'user.dlq']) await manage('DELETE', `/queues/%2F/${queue}/contents`)
  const opened = await Promise.all([serve(0), openBrowser()])
  served = opened[0]
  browser = opened[1]
  ;({ page, complaints } = await openPage(browser))
})

afterAll(async () => {
  await browser?.close()
  await served?.close()
  await scale(0)
})

it('The page loads without a complaint of the browser’s, and asks nobody but its own server', async () => {
  const asked = new Set<string>()
  page.on('request', (request) => asked.add(new URL(request.url()).origin))
  await page.goto(served.url)
  expect(await seriousFindings(page)).toEqual([])
  await signIn(page, served.url)
  await page.getByText('3 of 3 nodes up, 2 workers').waitFor()
  await page.locator('.picture').getByText(USER_QUEUE).first().waitFor()
  expect(complaints).toEqual([])
  expect([...asked]).toEqual([new URL(served.url).origin])
})

it.each(['light', 'dark'] as const)('axe finds nothing serious, %s', async (colorScheme) => {
  await page.emulateMedia({ colorScheme })
  expect(await seriousFindings(page)).toEqual([])
  await button('Kill rabbitmq-1').click()
  expect(await seriousFindings(page)).toEqual([])
  await button('Cancel').click()
})

it.each([375, 1920])(
  'Fits a screen of %i pixels, and all that can be pressed can be reached by keyboard',
  async (width) => {
    await page.setViewportSize({ width, height: 800 })
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
    for (const name of ['Send the burst', 'Scale', 'Browse', 'Look up', 'Kill rabbitmq-1']) {
      await button(name).focus()
      expect(await button(name).evaluate((element) => element.matches(':focus')), name).toBe(true)
      const box = await button(name).boundingBox()
      expect((box?.x ?? -1) >= 0 && (box?.x ?? 0) + (box?.width ?? 0) <= width, `${name} at ${width}`).toBe(true)
    }
  },
)

it('Scaling to 10 shows ten workers', async () => {
  await page.getByRole('spinbutton', { name: 'Workers' }).fill('10')
  await button('Scale').click()
  await page.locator('.workers tbody tr', { hasText: 'running' }).nth(9).waitFor()
  expect(await page.locator('.workers tbody tr').count()).toBe(10)
  expect(await page.locator('.picture .worker').count()).toBe(10)
})

it('A burst that is published from the page is seen to finish, and its tasks can be looked up', async () => {
  await page.getByRole('spinbutton', { name: 'Tasks' }).fill('200')
  await page.getByLabel('Seconds each').fill('0.05')
  await page.getByLabel('payments (quorum queue)').check()
  await button('Send the burst').click()
  await page.locator('#burst-state[data-state=finished]').waitFor()
  expect(await page.locator('#burst-state').textContent()).toContain('200 of 200 sent, 200 succeeded')
  await event('The burst of payment.invoice.create is over: 200 sent, 200 succeeded').waitFor()
  await page.locator('.tasks tbody tr', { hasText: 'SUCCESS' }).first().getByRole('button').click()
  await dialog().getByText('"customer"').waitFor()
  expect(await dialog().textContent()).toContain('INV-')
  await button('Close').click()
})

describe('The node that hosts the classic queue', () => {
  let host: string
  it('is killed, and the page says so, with what that means', async () => {
    host = (await facts(USER_QUEUE)).node.replace(/@.*/, '')
    const leads = ((await facts(PAYMENT_QUEUE)).leader ?? '').replace(/@.*/, '') === host
    await button(`Kill ${host}`).click()
    await dialog().getByText(`${USER_QUEUE} lives only there`).waitFor()
    await dialog()
      .getByRole('button', { name: `Kill ${host}` })
      .click()
    await event(`${host} went down (killed); ${USER_QUEUE} lived only there, and waits until it is back`).waitFor()
    await page.locator('.picture .chip.lost').first().waitFor()
    if (leads) await event(new RegExp(`${PAYMENT_QUEUE} moved its leader to rabbitmq-\\d in [\\d.]+ s`)).waitFor()
  })
  it('is started again, and the picture heals', async () => {
    await button(`Start ${host}`).click()
    await event(`${host} is back`).waitFor({ timeout: 60_000 })
    await event(`${USER_QUEUE} can be reached again, on ${host}`).waitFor({ timeout: 30_000 })
    await page.locator('.picture .lost').first().waitFor({ state: 'detached', timeout: 30_000 })
    await page.getByText('3 of 3 nodes up').waitFor()
  })
})

it('A dead letter is sent back and gone, and its task is done', async () => {
  await scale(0)
  const id = randomUUID()
  const task = 'payment.invoice.create'
  const input = { customer: 'c1', amountCents: 100, seconds: 0 }
  await put('payment.commands', task, Buffer.from(JSON.stringify([[], input, {}])), {
    ...{
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      correlationId: id,
      expiration: '1',
      persistent: true,
    },
    headers: { lang: 'js', task, id, root_id: id, parent_id: null, retries: 0 },
  })
  await page.getByRole('combobox', { name: 'Queue' }).selectOption('payment.dlq')
  const letter = page.locator('.dead-letters tbody').getByRole('button', { name: id })
  await until('the dead letter on the page', async () => {
    await button('Browse').click()
    await page.locator('#dlq-note:not(:empty)').waitFor()
    return letter.isVisible()
  })
  expect(await page.locator('#dlq-note').textContent()).toContain('1 expired')
  await scale(2)
  await button('Send back …').click()
  await dialog().getByText('1 to payment.commands → payment.invoice.create').waitFor()
  await dialog().getByRole('button', { name: 'Send 1 back' }).click()
  await page.getByText('payment.dlq holds no dead letter.').waitFor()
  await until('the result', async () => {
    await page.getByRole('textbox', { name: 'Task id' }).fill(id)
    await button('Look up').click()
    await dialog().waitFor()
    const text = (await dialog().textContent()) ?? ''
    await button('Close').click()
    return text.includes('SUCCESS')
  })
})

it('Hostile content is text: markup, scripts, odd Unicode and five megabytes', async () => {
  const markup = `<img src=x onerror="document.title='taken'"><script>alert(1)</script>`
  const task = `user.${markup}.\u202Egnp.exe\u0000`
  await put('', 'user.dlq', Buffer.from(JSON.stringify([[], { note: markup }, {}])), {
    headers: { task, id: `1 ${markup}`, 'x-warren-reason': 'failed', 'x-warren-error-message': markup },
  })
  await put('', 'user.dlq', Buffer.from(`"${markup}${'x'.repeat(5_000_000)}"`), {
    headers: { task: 'user.big.one', id: 'big' },
  })
  await page.getByRole('combobox', { name: 'Queue' }).selectOption('user.dlq')
  await button('Browse').click()
  const rows = page.locator('.dead-letters tbody tr')
  await rows.nth(1).waitFor()
  expect(await rows.first().textContent()).toContain(markup)
  // What turns writing around is shown, not obeyed.
  expect(await rows.first().textContent()).toContain('\\u{202e}gnp.exe\\u{0}')
  for (const index of [0, 1]) {
    await rows.nth(index).getByRole('button').click()
    await dialog().locator('.payload').waitFor()
    const shown = (await dialog().locator('.payload').textContent()) ?? ''
    expect(shown).toContain('<script>alert(1)</script>')
    expect(shown.length).toBeLessThan(20_000)
    await button('Close').click()
  }
  expect(await page.title()).toBe('Warren')
  expect(await page.locator('img[src="x"], main script, dialog script').count()).toBe(0)
  expect(complaints).toEqual([])
})

it('Comes back by itself after the server was restarted, still signed in', async () => {
  const { port } = new URL(served.url)
  await served.close()
  await page.getByText('The connection to the console is lost').waitFor()
  served = await serve(Number(port))
  await page.locator('body[data-link=open]').waitFor()
  await page.getByText('3 of 3 nodes up').waitFor()
  expect(await page.getByLabel('Password').count()).toBe(0)
})

it('A viewer sees all of it and is offered nothing that changes it', async () => {
  const viewer = await openPage(browser)
  await signIn(viewer.page, served.url, 'viewer', 'viewer')
  await viewer.page.getByText('3 of 3 nodes up').waitFor()
  const names = await viewer.page.getByRole('button').allTextContents()
  expect(names.filter((name) => /Kill|Stop|Freeze|Scale|Send|Remove|Run/.test(name))).toEqual([])
  await viewer.page.close()
})

it('Stopping the console changes nothing for tasks', async () => {
  const warren = await connect({ ...addresses('client'), logger: false })
  try {
    const results: Promise<unknown>[] = []
    let closing: Promise<void> | undefined
    const inputs = Array.from({ length: 200 }, (_, index) => invoiceInput(index, 0.02))
    await warren.sendMany(createInvoice, inputs, {
      onSent: (handle) => {
        results.push(handle.result({ timeoutMs: 60_000 }))
        if (results.length === 100) closing = served.close()
      },
    })
    await closing
    expect(await Promise.all(results)).toHaveLength(200)
  } finally {
    await warren.close()
  }
})
