// Measures the console with 1,000 queues, 200 workers and 1,000,000 tasks in the history:
//
//   node scripts/measure-console-lists.mjs [--dir .warren] [--tasks 1000000]
//
// The broker is the cluster that `npm start` runs here; the queues and workers are those of a management API that this script
// makes up; the tasks are in a store of its own (`valkey-server` or `redis-server`). Prints one JSON object, in milliseconds: how
// long the first view takes from the beginning of the navigation until its figures are painted, with the browser's cache and
// without; then a page of each list, and searches. Each is the median and the longest of ten. Needs Chromium (scripts/setup.mjs --tests).
import { execFileSync, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Redis } from 'iovalkey'
import { chromium } from 'playwright-core'
import { freePortBlock } from '../dist/cluster/index.js'
import { startConsole } from '../dist/console/index.js'
import { Remembering } from '../dist/src/results/remembering.js'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const { values } = parseArgs({
  options: { dir: { type: 'string', default: '.warren' }, tasks: { type: 'string', default: '1000000' } },
})
const TASKS = Number(values.tasks)
const QUEUES = 1_000
const WORKERS = 200
const TURNS = 10
/** The oldest task, whose result is kept. */
const KNOWN = randomUUID()

const status = JSON.parse(
  execFileSync(process.execPath, [join(ROOT, 'dist/cli/main.js'), 'status', '--json', '--dir', values.dir], {
    encoding: 'utf8',
  }),
)
const broker = new URL(String(status.addresses.amqp))
broker.username = 'admin'
broker.password = process.env.WARREN_ADMIN_PASSWORD || 'admin'

const taskName = (index) => `domain${index % 20}.entity${index % 50}.action${index}`
const queueName = (index) => `${taskName(index)}.service${index % 10}`

/** What RabbitMQ would say of them. */
const queues = Array.from({ length: QUEUES }, (_, index) => ({
  ...{ name: queueName(index), vhost: '/', type: 'quorum', state: 'running', leader: `rabbit@n${index % 3}` },
  ...{ members: ['rabbit@n0', 'rabbit@n1', 'rabbit@n2'], online: ['rabbit@n0', 'rabbit@n1', 'rabbit@n2'] },
  ...{ consumers: 2, messages_ready: index % 90, messages_unacknowledged: index % 7, arguments: {} },
  ...{ message_stats: { publish: index, publish_details: { rate: index % 11 }, ack_details: { rate: index % 11 } } },
  effective_policy_definition: { 'dead-letter-exchange': `domain${index % 20}.dlx` },
}))
const connections = Array.from({ length: WORKERS }, (_, index) => ({
  ...{
    name: `10.0.0.${index}:1 -> 10.0.1.1:5672`,
    user_provided_name: `worker-${index} (consume)`,
    peer_host: `10.0.0.${index}`,
  },
}))
const consumers = queues.flatMap((queue, index) =>
  [0, 1].map((more) => ({
    queue: { name: queue.name },
    channel_details: { connection_name: connections[(index + more) % WORKERS].name },
  })),
)
const ANSWERS = {
  nodes: () =>
    [0, 1, 2].map((node) => ({
      name: `rabbit@n${node}`,
      running: true,
      mem_used: 1e8,
      mem_limit: 1e9,
      disk_free: 1e10,
    })),
  overview: () => ({
    cluster_name: 'large',
    rabbitmq_version: '4.1.0',
    queue_totals: { messages_ready: 40_000, messages_unacknowledged: 3_000 },
    message_stats: {},
  }),
  queues: (query) => {
    const [page, size] = [Number(query.get('page')), Number(query.get('page_size'))]
    return { items: queues.slice((page - 1) * size, page * size), total_count: QUEUES }
  },
  exchanges: () => ({
    items: Array.from({ length: 20 }, (_, index) => [
      { name: `domain${index}.commands`, vhost: '/' },
      { name: `domain${index}.dlx`, vhost: '/' },
    ]).flat(),
    total_count: 40,
  }),
  bindings: () =>
    queues.map((queue, index) => ({
      source: `domain${index % 20}.commands`,
      vhost: '/',
      destination: queue.name,
      destination_type: 'queue',
      routing_key: taskName(index),
    })),
  consumers: () => consumers,
  connections: () => ({ items: connections, total_count: WORKERS }),
}
const management = createServer(({ url }, response) => {
  const { pathname, searchParams } = new URL(url, 'http://x')
  const answer = ANSWERS[pathname.split('/').at(-1)]?.(searchParams)
  response
    .writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' })
    .end(JSON.stringify(answer ?? {}))
})
await new Promise((resolve) => management.listen(0, '127.0.0.1', resolve))

const folder = mkdtempSync(join(tmpdir(), 'console-lists-'))
const binary = ['valkey-server', 'redis-server'].find((name) => {
  try {
    return execFileSync('which', [name], { encoding: 'utf8' }) !== ''
  } catch {
    return false
  }
})
const STORE_PORT = (await freePortBlock()).base
const server = spawn(binary, ['--port', String(STORE_PORT), '--save', '', '--appendonly', 'no', '--dir', folder], {
  stdio: 'ignore',
})
// Also when this ends by an error.
process.on('exit', () => server.kill())
const store = new Redis(STORE_PORT, { maxRetriesPerRequest: null })
store.on('error', () => undefined)
await store.ping()

const before = await memory()
const begun = Date.now()
const remembering = new Remembering('/', { maxEntries: TASKS * 2, keepMs: 86_400_000 })
for (let first = 0; first < TASKS; first += 100) {
  const writes = Array.from({ length: 100 }, (_, each) => ({ note: noteOf(first + each) }))
  await remembering.note(
    store,
    writes,
    writes.map(() => 1),
  )
}
const historyBytes = (await memory()) - before
await store.set(
  `celery-task-meta-${KNOWN}`,
  JSON.stringify({ status: 'SUCCESS', result: null, task_id: KNOWN, date_done: new Date(begun).toISOString() }),
)

function noteOf(index) {
  const at = Date.now()
  const failed = index % 20 === 0
  return {
    ...{
      id: index === 1 ? KNOWN : randomUUID(),
      state: failed ? 'FAILURE' : 'SUCCESS',
      attempt: 1,
      run: 0,
      task: taskName(index % QUEUES),
    },
    ...{
      queue: { name: queueName(index % QUEUES), task: taskName(index % QUEUES) },
      queued: at - 40,
      started: at - 20,
      at,
    },
    error: failed
      ? { errorClass: 'TypeError', message: `order ${index} of ${index === 20 ? 'needle' : 'hay'}` }
      : undefined,
  }
}

async function memory() {
  return Number(/used_memory:(\d+)/.exec(await store.info('memory'))[1])
}

const served = await startConsole({
  ...{ broker: broker.href, results: `redis://127.0.0.1:${STORE_PORT}`, port: 0 },
  management: `http://127.0.0.1:${management.address().port}`,
})
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
const rounded = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b)
  return { median: Math.round(sorted[Math.floor(sorted.length / 2)]), longest: Math.round(sorted.at(-1)) }
}
try {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  // The page says itself when its figures are there: whoever asks it again and again finds out late.
  await context.addInitScript(() => {
    window.figures = new Promise((resolve) => {
      const look = () => /\d/.test(document.querySelector('.tile.waiting .tile-value')?.textContent ?? '')
      const observer = new MutationObserver(() => {
        if (!look()) return
        observer.disconnect()
        // After the next two frames begin, the first one has been painted.
        requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now())))
      })
      observer.observe(document, { childList: true, subtree: true, characterData: true })
    })
  })
  const page = await context.newPage()
  await page.goto(served.url)
  await page.getByLabel('User').fill('admin')
  await page.getByLabel('Password').fill('admin')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.locator('.summary', { hasText: '3 of 3 nodes up' }).waitFor()
  /** From the beginning of the navigation until the figures are painted. */
  const viewed = async (kept) => {
    const cache = await context.newCDPSession(page)
    await cache.send('Network.setCacheDisabled', { cacheDisabled: !kept })
    const took = []
    for (let turn = 0; turn < TURNS; turn++) {
      await page.goto(served.url)
      took.push(await page.evaluate(() => window.figures))
    }
    await cache.detach()
    return rounded(took)
  }
  const firstView = { withoutCache: await viewed(false), withCache: await viewed(true) }
  const asked = async (path) => {
    const took = []
    let answer
    for (let turn = 0; turn < TURNS; turn++) {
      const [ms, body] = await page.evaluate(async (address) => {
        const from = performance.now()
        const text = await (await fetch(address)).text()
        return [performance.now() - from, text]
      }, `api${path}`)
      took.push(ms)
      answer = JSON.parse(body)
    }
    return { ...rounded(took), found: answer.items.length, ...(answer.next === undefined ? {} : { more: true }) }
  }
  const lists = {
    queues: await asked('/queues?q=service3&sort=ready&dir=down'),
    workers: await asked('/workers?q=worker-19'),
    latest: await asked('/tasks'),
    failed: await asked('/tasks?state=failed'),
    byTask: await asked(`/tasks?task=${taskName(7)}`),
    byError: await asked('/tasks?q=hay'),
    rareError: await asked('/tasks?q=needle'),
    knownId: await asked(`/tasks?q=${KNOWN}`),
    unknownId: await asked(`/tasks?q=${randomUUID()}`),
  }
  const session = await page.context().newCDPSession(page)
  await session.send('HeapProfiler.enable')
  const heap = async () => {
    await session.send('HeapProfiler.collectGarbage')
    return (await session.send('Runtime.getHeapUsage')).usedSize
  }
  await page.goto(`${served.url}queues`)
  await page.locator('#main tbody tr').first().waitFor()
  await delay(15_000)
  const early = await heap()
  await delay(60_000)
  const tab = { early, late: await heap() }
  process.stdout.write(`${JSON.stringify({ tasks: TASKS, historyBytes, firstView, lists, tab }, undefined, 2)}\n`)
} finally {
  await browser.close()
  await served.close()
  store.disconnect()
  server.kill()
  management.close()
  rmSync(folder, { recursive: true, force: true })
}
