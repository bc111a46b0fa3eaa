/** The console in Debian's Chromium, without a window. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import axe, { type RunOptions } from 'axe-core'
import { type Browser, type CDPSession, chromium, type Page } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

function findChromium(): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/local/bin']
  const found = NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
  if (found === undefined) throw new Error('Chromium is not installed: node scripts/setup.mjs --tests')
  return found
}

export const openBrowser = (): Promise<Browser> =>
  // As root, and in containers, Chromium's own sandbox and /dev/shm are not to be had; it sees nothing but this console.
  chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox', '--disable-dev-shm-usage'] })

/** A page, and everything that its console complains about. */
export async function openPage(browser: Browser): Promise<{ readonly page: Page; readonly complaints: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1920, height: 1080 } })
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('dialog', (dialog) => {
    complaints.push(`a dialog was opened: ${dialog.message()}`)
    void dialog.dismiss()
  })
  return { page, complaints }
}

export async function signIn(page: Page, url: string, user = 'admin', password = 'admin'): Promise<void> {
  await page.goto(url)
  await page.getByLabel('User').fill(user)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.locator('.summary[data-well]').waitFor()
}

/** What axe finds that is serious or critical, a line each; of `rules` alone where they are given. */
export async function seriousFindings(page: Page, rules?: readonly string[]): Promise<string[]> {
  if (!(await page.evaluate('"axe" in globalThis'))) await page.evaluate(axe.source)
  const options: RunOptions = {
    resultTypes: ['violations'],
    ...(rules === undefined ? {} : { runOnly: { type: 'rule', values: [...rules] } }),
  }
  const { violations } = await page.evaluate(
    (given) => (globalThis as unknown as { axe: typeof axe }).axe.run(given),
    options,
  )
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, help, nodes }) =>
      nodes.map(({ target, html }) => `${id}: ${help}: ${target} ${html.slice(0, 120)}`),
    )
}

export interface TabMemory {
  readonly heapBytes: number
  readonly nodes: number
  readonly listeners: number
}

/** What the tab holds once everything that is garbage is gone. */
export async function tabMemory(session: CDPSession): Promise<TabMemory> {
  for (let round = 0; round < 3; round++) await session.send('HeapProfiler.collectGarbage')
  const { usedSize } = await session.send('Runtime.getHeapUsage')
  const { nodes, jsEventListeners } = await session.send('Memory.getDOMCounters')
  return { heapBytes: usedSize, nodes, listeners: jsEventListeners }
}
