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

const event = (text: string | RegExp) => page.locator('.feed li', { hasText: text }).first()
const button = (name: string) => page.getByRole('button', { name, exact: true })
const dialog = () => page.getByRole('dialog')
const facts = (name: string) => manage<{ node: string; leader?: string }>('GET', `/queues/%2F/${name}`)

/** Files before this one kill and freeze nodes. */
const allNodesRun = async () => {
  const nodes = await manage<{ running: boolean }[]>('GET', '/nodes').catch(() => [])
  return nodes.filter(({ running }) => running).length === 3
}

beforeAll(async () => {
  await until('three nodes that run', allNodesRun, 90_000)
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

const open = async (path: string) => {
  await page.goto(`${served.url}${path}`)
  await page.locator('.summary[data-well]').waitFor()
}

it('The page loads without a complaint of the browser’s, and asks nobody but its own server', async () => {
  const asked = new Set<string>()
  page.on('request', (request) => asked.add(new URL(request.url()).origin))
  await page.goto(served.url)
  expect(await seriousFindings(page)).toEqual([])
  await signIn(page, served.url)
  await page.getByText('3 of 3 nodes up').waitFor()
  await page.locator('.servers', { hasText: '2 of 2' }).waitFor()
  expect(complaints).toEqual([])
  expect([...asked]).toEqual([new URL(served.url).origin])
})

it('Scaling to 10 shows ten workers, and what each does', async () => {
  await open('workers')
  await page.getByRole('spinbutton', { name: 'Workers' }).fill('10')
  await button('Scale').click()
  await page
    .locator('tbody tr', { hasText: /worker-\d+.*running/ })
    .nth(9)
    .waitFor()
  await page.getByLabel('Service').selectOption('demo-service')
  await page.locator('tbody tr', { hasText: 'idle' }).first().waitFor()
})

it('A burst that is published from the page is seen to finish, and its tasks are found', async () => {
  await open('lab')
  await page.getByRole('spinbutton', { name: 'Tasks' }).fill('200')
  await page.getByLabel('Seconds each').fill('0.05')
  await page.getByLabel('payments (quorum queue)').check()
  await button('Send the burst').click()
  await page.locator('#burst-state[data-state=finished]').waitFor()
  expect(await page.locator('#burst-state').textContent()).toContain('200 of 200 sent, 200 succeeded')
  await open('')
  await event('The burst of payment.invoice.create is over: 200 sent, 200 succeeded').waitFor()
  await open('tasks?state=done&task=payment.invoice.create')
  await page.locator('tbody tr', { hasText: '✓ done' }).first().getByRole('link').first().click()
  await page.getByRole('list', { name: 'Attempts' }).getByText('#1').waitFor()
  await page.getByText('INV-').first().waitFor()
})

describe('The node that hosts the classic queue', () => {
  let host: string
  it('is killed, and the page says so, with what that means', async () => {
    host = (await facts(USER_QUEUE)).node.replace(/@.*/, '')
    const leads = ((await facts(PAYMENT_QUEUE)).leader ?? '').replace(/@.*/, '') === host
    await open('cluster')
    await button(`Kill ${host}`).click()
    await dialog().getByText(`${USER_QUEUE} lives only there`).waitFor()
    await dialog()
      .getByRole('button', { name: `Kill ${host}` })
      .click()
    await page.locator('.matrix tbody .copy-mark.lost').first().waitFor()
    await page.getByRole('link', { name: /^Overview/ }).click()
    await event(`${host} went down (killed); ${USER_QUEUE} existed only there, and waits until it is back`).waitFor()
    await page.locator('.troubles', { hasText: `${host} is down` }).waitFor()
    if (leads) await event(new RegExp(`${PAYMENT_QUEUE} moved its leader to rabbitmq-\\d in [\\d.]+ s`)).waitFor()
  })
  it('is started again, and the matrix heals', { timeout: 240_000 }, async () => {
    await open('cluster')
    const start = button(`Start ${host}`)
    await start
      .or(button(`Kill ${host}`))
      .first()
      .waitFor()
    // Whoever tries again may find it under way.
    if (await start.isVisible()) await start.click()
    // A node takes a minute or two on a busy machine.
    await page.getByText('3 of 3 nodes up').waitFor({ timeout: 180_000 })
    await page.locator('.matrix tbody .lost').first().waitFor({ state: 'detached' })
    await open('')
    await event(`${host} is back`).waitFor()
    await event(`${USER_QUEUE} can be reached again, on ${host}`).waitFor()
  })
})

it('A dead letter is found by its error, and sent back from its task’s page; its task is done', async () => {
  await scale(0)
  await manage('DELETE', '/queues/%2F/payment.dlq/contents')
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
  await open('dead-letters/payment.dlq')
  const letter = page.getByRole('checkbox', { name: `Select ${id}` })
  await until('the dead letter on the page', async () => {
    await button('Look again').click()
    await page.locator('#dlq-note:not(:empty)').waitFor()
    return letter.isVisible()
  })
  expect(await page.locator('#dlq-note').textContent()).toContain('1 expired')
  await scale(2)
  await open(`tasks/${id}`)
  await button('Send back this task').click()
  await dialog().getByText('1 to payment.commands → payment.invoice.create').waitFor()
  await dialog().getByRole('button', { name: 'Send 1 back' }).click()
  await page.locator('.task-name', { hasText: '✓ done' }).waitFor()
  await open('dead-letters/payment.dlq')
  await page.getByText('payment.dlq holds no dead letter.').first().waitFor()
})

it('A task that waits is cancelled from its page, and a queue is paused and resumed from its own', async () => {
  await open(`queues/%2F/${PAYMENT_QUEUE}`)
  await button(`Pause ${PAYMENT_QUEUE}`).click()
  await dialog().getByLabel('Why').fill('a test')
  await dialog().getByRole('button', { name: 'Pause the queue' }).click()
  await page.getByText('Paused since').waitFor()
  const warren = await connect({ ...addresses('client'), logger: false })
  try {
    const { id } = await warren.send(createInvoice, invoiceInput(1, 0))
    await open(`tasks/${id}`)
    await button('Cancel this task').click()
    await dialog().getByText('If it has not begun, it is never run').waitFor()
    await dialog().getByRole('button', { name: 'Cancel the task' }).click()
    await page.locator('.task-name', { hasText: 'cancelled' }).waitFor()
    expect((await warren.state(id))?.status).toBe('REVOKED')
  } finally {
    await warren.close()
  }
  await open(`queues/%2F/${PAYMENT_QUEUE}`)
  await button(`Resume ${PAYMENT_QUEUE}`).click()
  await page.getByText('Paused since').waitFor({ state: 'hidden' })
})

it('Hostile content is text: markup, scripts, odd Unicode and five megabytes', async () => {
  await manage('DELETE', '/queues/%2F/user.dlq/contents')
  const markup = `<img src=x onerror="document.title='taken'"><script>alert(1)</script>`
  const task = `user.${markup}.\u202Egnp.exe\u0000`
  await put('', 'user.dlq', Buffer.from(JSON.stringify([[], { note: markup }, {}])), {
    headers: { task, id: `1 ${markup}`, 'x-warren-reason': 'failed', 'x-warren-error-message': markup },
  })
  await put('', 'user.dlq', Buffer.from(`"${markup}${'x'.repeat(5_000_000)}"`), {
    headers: { task: 'user.big.one', id: 'big' },
  })
  await open('dead-letters/user.dlq')
  const rows = page.locator('.list tbody tr')
  await rows.nth(1).waitFor()
  expect(await rows.first().textContent()).toContain(markup)
  // What turns writing around is shown, not obeyed.
  expect(await rows.first().textContent()).toContain('\\u{202e}gnp.exe\\u{0}')
  expect(await page.locator('.groups').textContent()).toContain('<script>alert(#)</script>')
  for (const index of [0, 1]) {
    await rows.nth(index).locator('td').first().getByRole('button').click()
    await dialog().locator('.payload').waitFor()
    const shown = (await dialog().locator('.payload').textContent()) ?? ''
    expect(shown).toContain('<script>alert(1)</script>')
    expect(shown.length).toBeLessThan(20_000)
    await button('Close').click()
  }
  // Its page, by an address that holds all of it.
  await rows.first().getByRole('link').first().click()
  await page.locator('.letter').waitFor()
  expect(await page.locator('#main').textContent()).toContain(markup)
  expect(await page.title()).not.toBe('taken')
  expect(await page.locator('img[src="x"], main script, dialog script').count()).toBe(0)
  expect(complaints).toEqual([])
})

it('Comes back by itself after the server was restarted, still signed in', async () => {
  await open('')
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
  for (const path of ['cluster', 'workers', 'dead-letters/user.dlq', `queues/%2F/${PAYMENT_QUEUE}`, 'lab']) {
    await viewer.page.goto(`${served.url}${path}`)
    await viewer.page.getByText('3 of 3 nodes up').waitFor()
    const names = await viewer.page.locator('#main').getByRole('button').allTextContents()
    expect(
      names.filter((name) => /Kill|Stop|Freeze|Scale|Send|Remove|Run|Pause/.test(name)),
      path,
    ).toEqual([])
  }
  await viewer.page.close()
})

it('Stopping the console changes nothing for tasks', async () => {
  await scale(2)
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
