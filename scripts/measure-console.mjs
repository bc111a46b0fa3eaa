// Measures what the console costs and how soon it shows a fault, on the cluster that `npm start` runs here:
//
//   node scripts/measure-console.mjs [--dir .warren] [--seconds 30]
//
// Prints one JSON object: CPU of the console's process and of all nodes and workers, with the console stopped, with
// nobody watching and with one page open; and how long after the click a killed node is on the page. It kills and
// starts one node. Needs Chromium (scripts/setup.mjs --tests).
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'

const WARREN = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist/cli/main.js')
const { values } = parseArgs({
  options: { dir: { type: 'string', default: '.warren' }, seconds: { type: 'string', default: '30' } },
})
const seconds = Number(values.seconds)
const warren = (...words) =>
  execFileSync(process.execPath, [WARREN, ...words, '--dir', values.dir], { encoding: 'utf8' })
const status = () => JSON.parse(warren('status', '--json'))

/** User and system time of a process, in seconds: fields 14 and 15 of its stat, in hundredths. */
function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

const sum = (numbers) => numbers.reduce((total, each) => total + each, 0)

/** Per cent of one core over a while: the console, RabbitMQ's nodes, the workers, the launcher. */
async function shares(when) {
  const { processes, pid } = status()
  const of = (kind) => processes.filter((each) => each.kind === kind && each.pid !== undefined).map((each) => each.pid)
  const groups = { console: of('console'), nodes: of('rabbitmq'), workers: of('worker'), launcher: [pid] }
  const read = () => Object.fromEntries(Object.entries(groups).map(([name, pids]) => [name, sum(pids.map(cpuSeconds))]))
  const [before, from] = [read(), performance.now()]
  await delay(seconds * 1_000)
  const [after, took] = [read(), (performance.now() - from) / 1_000]
  const found = Object.fromEntries(
    Object.keys(groups).map((name) => [name, Math.round((1_000 * (after[name] - before[name])) / took) / 10]),
  )
  process.stderr.write(`${when}: ${JSON.stringify(found)}\n`)
  return found
}

const edge = status().addresses.edge
warren('stop', 'console')
await delay(5_000)
const without = await shares('console stopped')
warren('start', 'console')
await delay(10_000)
const unwatched = await shares('nobody watching')

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 1000 } })
  await page.goto(`${edge}/`)
  await page.getByLabel('User').fill('admin')
  await page.getByLabel('Password').fill(process.env.WARREN_ADMIN_PASSWORD || 'admin')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.locator('.summary[data-well=true]').waitFor()
  await delay(5_000)
  const watched = await shares('one page open')
  await page.goto(`${edge}/queues`)
  const queues = page.locator('#main tbody tr', { hasText: 'classic' })
  await page.locator('#main tbody tr').first().waitFor()
  const host = (await queues.count()) > 0 ? await queues.first().locator('td').nth(1).textContent() : 'rabbitmq-3'
  await page.goto(`${edge}/cluster`)
  await page.getByRole('button', { name: `Kill ${host}` }).click()
  const dialog = page.getByRole('dialog').getByRole('button', { name: `Kill ${host}` })
  await dialog.waitFor()
  const at = performance.now()
  await dialog.click()
  await page.locator('.card', { hasText: 'down (killed)' }).waitFor()
  const shownMs = Math.round(performance.now() - at)
  await delay(5_000)
  await page.getByRole('button', { name: `Start ${host}` }).click()
  await page.locator('.matrix tbody .lost').first().waitFor({ state: 'detached', timeout: 90_000 })
  const healedMs = Math.round(performance.now() - at)
  await page.goto(`${edge}/`)
  await page
    .locator('.feed li', { hasText: `${host} is back` })
    .first()
    .waitFor({ timeout: 90_000 })
  const events = await page.locator('.feed li').allTextContents()
  process.stdout.write(
    `${JSON.stringify({ perCentOfOneCore: { without, unwatched, watched }, seconds, host, shownMs, healedMs, events }, undefined, 2)}\n`,
  )
} finally {
  await browser.close()
}
