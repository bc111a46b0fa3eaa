/** The promise: whatever a stranger puts into a header, no connection is lost, and a retry and a dead letter still have it. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { connect, deadLetterQueue, defineTask, taskQueue, type Warren } from '../../src/index.js'
import { type ClusterUrls, consuming, until, virtualHost, waiting } from '../support/cluster.js'

/** Debian's own, as in celery.test.ts. */
const PYTHON = '/usr/bin/python3'
const SCRIPT = fileURLToPath(new URL('../support/python/headers.py', import.meta.url))
const SERVICE = 'headers'
const KINDS = 16

const tasks = (['classic', 'quorum'] as const).map((type) =>
  defineTask({
    name: `payment${type}.headers.fail`,
    input: z.object({}),
    queue: { type },
    retry: { maxAttempts: 2, initialDelayMs: 50 },
  }),
)
const other = defineTask({ name: 'paymentother.headers.run', input: z.object({ n: z.number() }), output: z.number() })

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
const lost: unknown[] = []

beforeAll(async () => {
  urls = await virtualHost(SERVICE, [...tasks, other])
  warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  warren.on('connectionState', (event) => {
    if (event.state === 'waiting') lost.push(event)
  })
})
afterAll(() => warren?.close())

const python = async (what: 'send' | 'read', name: string): Promise<Record<string, string>> => {
  const { stdout } = await promisify(execFile)(PYTHON, [SCRIPT, '--broker', urls.broker, what, name])
  return JSON.parse(stdout) as Record<string, string>
}

it.each(tasks)(
  'of py-amqp, on a queue as in $name: retried, dead-lettered, and read by Python as they were written',
  { timeout: 60_000 },
  async (task) => {
    const attempts = new Map<string, number>()
    const worker = warren.worker({ service: SERVICE, concurrency: 5 })
    worker.handle(task, (_input, { id }) => {
      attempts.set(id, (attempts.get(id) ?? 0) + 1)
      throw new Error('no')
    })
    worker.handle(other, ({ n }) => n)
    await consuming(worker)
    const ids = Object.values(await python('send', task.name))
    expect(ids).toHaveLength(KINDS)
    const domain = task.name.split('.')[0] as string
    await until('all dead letters', async () => (await waiting(urls.broker, deadLetterQueue(domain))) === KINDS, 30_000)
    expect(attempts).toEqual(new Map(ids.map((id) => [id, 2])))
    // Whoever looks at them needs JSON.
    for await (const letter of warren.deadLetters({ domain, deliveryLimit: 1_000 }).list()) JSON.stringify(letter)
    const handle = await warren.send(other, { n: 7 })
    expect(await handle.result({ timeoutMs: 10_000 })).toBe(7)
    await worker.stop()
    expect(await python('read', deadLetterQueue(domain))).toEqual(Object.fromEntries(ids.map((id) => [id, 'same'])))
    expect(lost).toEqual([])
    expect(await waiting(urls.broker, taskQueue(task.name, SERVICE))).toBe(0)
  },
)
