// Takes the console's pictures for the docs, of the cluster that `npm start` runs here, with work under way:
//
//   node scripts/screenshots.mjs [edge]      default: http://127.0.0.1:8000
//
// Writes docs/images/console-light.png, console-dark.png, console-phone.png. Needs Chromium (scripts/setup.mjs --tests).
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const IMAGES = join(dirname(dirname(fileURLToPath(import.meta.url))), 'docs/images')
const edge = process.argv[2] ?? 'http://127.0.0.1:8000'
const password = process.env.WARREN_ADMIN_PASSWORD || 'admin'
/** Long enough for RabbitMQ's figures, which it takes each five seconds, and for a line in the charts. */
const SETTLE_MS = 25_000

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 1000 } })
  await page.goto(`${edge}/`)
  await page.getByLabel('User').fill('admin')
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('spinbutton', { name: 'Tasks' }).fill('1500')
  await page.getByLabel('Seconds each').fill('0.15')
  await page.getByLabel('payments (quorum queue)').check()
  await page.getByRole('button', { name: 'Send the burst' }).click()
  await page.waitForTimeout(SETTLE_MS)
  mkdirSync(IMAGES, { recursive: true })
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    await page.waitForTimeout(1_000)
    await page.screenshot({ path: join(IMAGES, `console-${colorScheme}.png`) })
  }
  await page.setViewportSize({ width: 375, height: 800 })
  await page.waitForTimeout(1_000)
  await page.screenshot({ path: join(IMAGES, 'console-phone.png') })
} finally {
  await browser.close()
}
process.stdout.write(`Written to ${IMAGES}\n`)
