// Takes the console's pictures for the docs, of the cluster that `npm start` runs here, with work under way:
//
//   node scripts/screenshots.mjs [--dir .warren]
//
// It adds a service of its own, `shop`, for as long as it runs: tasks that succeed, fail and wait, a flow, two schedules.
// Writes docs/images/console-*.png. Needs Chromium (scripts/setup.mjs --tests).
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'
import { connect, defineTask, group, step } from 'warren'
import { z } from 'zod'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const IMAGES = join(ROOT, 'docs/images')
const { values } = parseArgs({ options: { dir: { type: 'string', default: '.warren' } } })
const status = JSON.parse(
  execFileSync(process.execPath, [join(ROOT, 'dist/cli/main.js'), 'status', '--json', '--dir', values.dir], {
    encoding: 'utf8',
  }),
)
const { edge, results, amqp } = status.addresses
const password = process.env.WARREN_ADMIN_PASSWORD || 'admin'
const broker = new URL(String(amqp ?? status.addresses.broker))
broker.username = 'admin'
broker.password = password
/** Long enough for RabbitMQ's figures, which it takes each five seconds, and for a line in the charts. */
const SETTLE_MS = 45_000

const order = z.object({ order: z.number() })
const ship = defineTask({ name: 'shop.order.ship', input: order, retry: { maxAttempts: 3, initialDelayMs: 1_000 } })
const pack = defineTask({ name: 'shop.order.pack', input: order, trackStarted: true })
const thumbnail = defineTask({ name: 'shop.picture.shrink', input: order })

const warren = await connect({ broker: broker.href, results, name: 'shop-1', logger: false })
const worker = warren.worker({ service: 'shop', declareDeadLetters: true, concurrency: 4 })
worker.handle(ship, async ({ order: number }) => {
  await delay(120)
  if (number % 4 === 0) throw new Error(`the carrier answered 503 for order ${number}`)
  if (number % 7 === 0) throw new TypeError(`order ${number} has no address`)
})
worker.handle(pack, async ({ order: number }) => {
  await delay(400)
  return { boxes: 1 + (number % 3) }
})
worker.handle(thumbnail, () => delay(60))
await worker.start()
const schedules = warren.schedules({ service: 'shop' })
await schedules.upsert('stocktaking', {
  task: pack,
  input: { order: 1 },
  cron: '0 3 * * *',
  timeZone: 'Europe/Berlin',
  overlap: 'skip',
})
await schedules.upsert('price-list', { task: thumbnail, input: { order: 2 }, everyMs: 10_000 })
await schedules.upsert('newsletter', { task: ship, input: { order: 3 }, cron: '30 8 * * 1', timeZone: 'Europe/Berlin' })
await schedules.pause('newsletter', { reason: 'holidays' })
const flow = await warren.flows.start(group([1, 2, 3, 5].map((number) => step(pack, { order: number }))))

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
let working = true
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } })
  await page.goto(`${edge}/`)
  await page.getByLabel('User').fill('admin')
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.goto(`${edge}/lab`)
  await page.getByRole('spinbutton', { name: 'Tasks' }).fill('2500')
  await page.getByLabel('Seconds each').fill('0.15')
  await page.getByLabel('payments (quorum queue)').check()
  await page.getByRole('button', { name: 'Send the burst' }).click()
  await page.goto(`${edge}/`)
  const sending = (async () => {
    for (let number = 0; working; number++) {
      await warren.send(ship, { order: 4_700 + number })
      await warren.send(thumbnail, { order: number }, number % 5 === 0 ? { delayMs: 600_000 } : {})
      if (number % 3 === 0) await warren.send(pack, { order: number })
      await delay(150)
    }
  })()
  await delay(SETTLE_MS)
  mkdirSync(IMAGES, { recursive: true })
  const shoot = async (name, path, ready) => {
    await page.goto(`${edge}/${path}`)
    await page.locator('.summary[data-well]').waitFor()
    await ready?.()
    await page.waitForTimeout(2_500)
    await page.screenshot({ path: join(IMAGES, `console-${name}.png`) })
    process.stderr.write(`${name}\n`)
  }
  const row = () => page.locator('#main tbody tr').first().waitFor()
  await shoot('light', '')
  await page.emulateMedia({ colorScheme: 'dark' })
  await shoot('dark', '')
  await page.emulateMedia({ colorScheme: 'light' })
  await shoot('tasks', 'tasks?state=failed', row)
  const failed = await page.locator('#main tbody tr a').first().getAttribute('href')
  await shoot('task', failed ?? 'tasks', () => page.getByRole('list', { name: 'Attempts' }).waitFor())
  await shoot('queues', 'queues', row)
  await shoot('queue', 'queues/%2F/payment.invoice.create.demo-service')
  await shoot('schedules', 'schedules', row)
  await shoot('schedule', 'schedules/shop/stocktaking')
  await shoot('flow', `flows/${flow.id}`, row)
  await shoot('flows', 'flows')
  await shoot('dead-letter-queues', 'dead-letters', row)
  await shoot('dead-letters', 'dead-letters/shop.dlq', row)
  await shoot('workers', 'workers', row)
  await shoot('cluster', 'cluster', row)
  await shoot('lab', 'lab')
  await page.setViewportSize({ width: 375, height: 800 })
  await shoot('phone', '')
  await shoot('phone-tasks', 'tasks', row)
  await shoot('phone-queues', 'queues', row)
  await page.setViewportSize({ width: 1920, height: 1080 })
  await shoot('wide', '')
  working = false
  await sending
} finally {
  working = false
  await browser.close()
  for (const id of ['stocktaking', 'price-list', 'newsletter']) await schedules.remove(id).catch(() => undefined)
  await warren.close()
}
process.stdout.write(`Written to ${IMAGES}\n`)
