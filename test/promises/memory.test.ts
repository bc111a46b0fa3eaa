/** The promise: a million tasks from a generator take the memory of a thousand. Here a hundred thousand, for time's sake. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { connect, defineTask } from '../../src/index.js'
import { consuming, manage, virtualHost } from '../support/cluster.js'

const COUNT = 100_000
const MAX_GROWTH = 64 * 1024 * 1024
const sender = fileURLToPath(new URL('../support/manySender.mjs', import.meta.url))

it('sendMany keeps its heap within 64 MB of its level at 10,000', async () => {
  const task = defineTask({ name: 'payment.many.task', input: z.object({ n: z.number(), text: z.string() }) })
  const { broker, vhost } = await virtualHost('many', [task])
  await using warren = await connect({ broker, logger: false })
  const worker = warren.worker({ service: 'many' })
  worker.handle(task, () => null)
  await consuming(worker)
  await worker.stop()
  // The queue keeps the newest only: this is about the sender.
  await manage('PUT', `/policies/${vhost}/short`, {
    pattern: '^payment\\.many',
    definition: { 'max-length': 1000, overflow: 'drop-head' },
    priority: 10,
    'apply-to': 'queues',
  })
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', sender, broker, String(COUNT)])
  const report = JSON.parse(stdout) as { sent: number; heap: number[] }
  expect(report.sent).toBe(COUNT)
  expect(report.heap).toHaveLength(11)
  expect(Math.max(...report.heap) - (report.heap[0] as number)).toBeLessThan(MAX_GROWTH)
}, 120_000)
