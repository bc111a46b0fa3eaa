/** The promise: a worker of many queues holds no more than it can start soon, so that no other worker is idle meanwhile. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, type QueueType, type Warren, type Worker } from '../../src/index.js'
import { pause } from '../../src/timers.js'
import { type ClusterUrls, consuming, until, virtualHost } from '../support/cluster.js'

const SERVICE = 'many'
const TASK_MS = 300
const EACH = 3
const input = z.object({ n: z.number() })
const tenTasks = (type: QueueType) =>
  Array.from({ length: 10 }, (_, q) => defineTask({ name: `payment.many.${type}${q}`, input, queue: { type } }))
const tasks = { quorum: tenTasks('quorum'), classic: tenTasks('classic') }

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
beforeAll(async () => {
  urls = await virtualHost(SERVICE, [...tasks.quorum, ...tasks.classic])
  warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
})
afterAll(() => warren?.close())

interface Observed {
  readonly worker: Worker
  readonly ran: string[]
}

function observed(type: QueueType, order: string[]): Observed {
  const worker = warren.worker({ service: SERVICE, concurrency: 1 })
  const ran: string[] = []
  for (const task of tasks[type]) {
    worker.handle(task, async (_input, { id }) => {
      ran.push(id)
      order.push(id)
      await pause(TASK_MS)
    })
  }
  return { worker, ran }
}

it.each(['quorum', 'classic'] as const)(
  'ten %s queues, concurrency 1, two workers: both work until the end, no task is run twice, and little waits in a worker',
  async (type) => {
    const order: string[] = []
    // The queues are there and full before either worker starts.
    const first = observed(type, [])
    await consuming(first.worker)
    await first.worker.stop()
    const ids: string[] = []
    for (let n = 0; n < EACH; n++) {
      const handles = await Promise.all(tasks[type].map((task) => warren.send(task, { n })))
      ids.push(...handles.map(({ id }) => id))
    }
    const both = [observed(type, order), observed(type, order)]
    // At each start of a task: what is held and does not run. As many as start within a second, and the one being settled.
    const soon = Math.floor(1_000 / TASK_MS) + 1
    let most = 0
    for (const { worker } of both) {
      worker.on('attemptStarted', () => {
        const { held, running } = worker.health()
        most = Math.max(most, held - running)
      })
    }
    await Promise.all(both.map(({ worker }) => worker.start()))
    await until('all have run', () => order.length >= ids.length)
    await Promise.all(both.map(({ worker }) => worker.stop()))
    expect([...order].sort()).toEqual([...ids].sort())
    expect(most).toBeLessThanOrEqual(soon)
    // Of the last ones each worker ran some: neither had kept them from the other.
    const last = new Set(order.slice(-6))
    for (const { ran } of both) expect(ran.filter((id) => last.has(id))).not.toEqual([])
  },
)
