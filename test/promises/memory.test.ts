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
const support = (name: string): string => fileURLToPath(new URL(`../support/${name}`, import.meta.url))

/** A queue that keeps the newest only: this is about the sender. Resolves with the broker's address. */
async function shortQueue(name: string): Promise<string> {
  const task = defineTask({ name, input: z.object({ n: z.number(), text: z.string() }) })
  const { broker, vhost } = await virtualHost(name.replaceAll('.', ''), [task])
  await using warren = await connect({ broker, logger: false })
  const worker = warren.worker({ service: 'many' })
  worker.handle(task, () => null)
  await consuming(worker)
  await worker.stop()
  await manage('PUT', `/policies/${vhost}/short`, {
    pattern: '^payment\\.many',
    definition: { 'max-length': 100, overflow: 'drop-head' },
    priority: 10,
    'apply-to': 'queues',
  })
  return broker
}

it('sendMany keeps its heap within 64 MB of its level at 10,000', async () => {
  const broker = await shortQueue('payment.many.task')
  const args = ['--expose-gc', support('manySender.mjs'), broker, String(COUNT)]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  const report = JSON.parse(stdout) as { sent: number; heap: number[] }
  expect(report.sent).toBe(COUNT)
  expect(report.heap).toHaveLength(11)
  expect(Math.max(...report.heap) - (report.heap[0] as number)).toBeLessThan(MAX_GROWTH)
}, 120_000)

it('sendMany of 100 kB tasks keeps its resident memory within 150 MB of its level at 500', async () => {
  const broker = await shortQueue('payment.many.big')
  const { stdout } = await promisify(execFile)(process.execPath, [support('bigSender.mjs'), broker, '3000'])
  const report = JSON.parse(stdout) as { sent: number; atFirst: number; most: number }
  expect(report.sent).toBe(3_000)
  expect(report.most - report.atFirst).toBeLessThan(150 * 1024 * 1024)
}, 120_000)
