/**
 * BullMQ on the same store, tuned by its own guide: jobs are added in bulk, workers have a concurrency of 100 where tasks
 * are short. It keeps one copy of each job in memory, written to disk by the store once a second; its worker takes a job
 * under a lock that it renews, and finished jobs stay, as results do elsewhere.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { repositoryRoot } from '../../cluster/index.js'
import { Finals } from './finals.js'
import {
  type BenchClient,
  type BenchWorker,
  type Load,
  type NodeRival,
  pause,
  type Setup,
  textOfBytes,
} from './rival.js'

/** It is installed by the benchmark in a folder of its own, so only the part that is used has types here. */
interface Job {
  readonly id: string
  readonly data: { readonly text: string; readonly ms: number }
  waitUntilFinished(events: QueueEvents): Promise<unknown>
}
interface QueueEvents {
  on(event: 'completed', listener: (completed: { jobId: string }) => void): void
  waitUntilReady(): Promise<unknown>
  close(): Promise<void>
}
interface Queue {
  add(name: string, data: Job['data']): Promise<Job>
  addBulk(jobs: readonly { name: string; data: Job['data'] }[]): Promise<Job[]>
  waitUntilReady(): Promise<unknown>
  close(): Promise<void>
}
interface Worker {
  waitUntilReady(): Promise<unknown>
  close(): Promise<void>
}
interface BullMQ {
  Queue: new (name: string, options: object) => Queue
  QueueEvents: new (name: string, options: object) => QueueEvents
  Worker: new (name: string, work: (job: Job) => Promise<unknown>, options: object) => Worker
}

/** Where `install.ts` puts it. */
export const BULLMQ_FOLDER = join(repositoryRoot(), 'bench', 'rivals', 'bullmq')

const load = (): BullMQ => createRequire(join(BULLMQ_FOLDER, 'package.json'))('bullmq') as BullMQ

const BULK = 1_000
const CONCURRENCY = 100
/** Events are kept in a stream that is cut at 10,000 by default: whoever waits for more results at once would miss some. */
const MAX_EVENTS = 2_000_000

const connectionTo = (results: string) => ({
  host: new URL(results).hostname,
  port: Number(new URL(results).port),
  maxRetriesPerRequest: null,
})

export const bullmq: NodeRival = {
  async client({ results, tasks }: Setup): Promise<BenchClient> {
    const { Queue, QueueEvents } = load()
    const connection = connectionTo(results)
    const name = tasks[0] as string
    const queue = new Queue(name, { connection, streams: { events: { maxLen: MAX_EVENTS } } })
    const events = new QueueEvents(name, { connection })
    await Promise.all([queue.waitUntilReady(), events.waitUntilReady()])
    const finals = new Finals()
    events.on('completed', ({ jobId }) => finals.ended(jobId))
    const publish = async ({ count, bytes, ms }: Load, expect = (_id: string): void => undefined) => {
      const data = { text: textOfBytes(bytes), ms }
      for (let sent = 0; sent < count; sent += BULK) {
        const jobs = Array.from({ length: Math.min(BULK, count - sent) }, () => ({ name: 'noop', data }))
        for (const { id } of await queue.addBulk(jobs)) expect(id)
      }
    }
    return {
      publish: (load) => publish(load),
      async roundTrip(load) {
        await publish(load, (id) => finals.expect(id))
        await finals.all()
      },
      async call({ bytes, ms }) {
        const job = await queue.add('noop', { text: textOfBytes(bytes), ms })
        await job.waitUntilFinished(events)
      },
      async close() {
        await Promise.all([queue.close(), events.close()])
      },
    }
  },

  async worker({ results, tasks, tasksAre }: Setup, began: () => void): Promise<BenchWorker> {
    const { Worker } = load()
    const worker = new Worker(
      tasks[0] as string,
      async ({ data }) => {
        began()
        await pause(data.ms)
        return { ok: true }
      },
      { connection: connectionTo(results), concurrency: tasksAre === 'short' ? CONCURRENCY : 1 },
    )
    await worker.waitUntilReady()
    return { close: () => worker.close() }
  },
}

const onServer = (setup: Setup): Setup => ({ ...setup, results: setup.server ?? setup.results })

/** On a store that syncs every write to the disk. */
export const bullmqSynced: NodeRival = {
  client: (setup) => bullmq.client(onServer(setup)),
  worker: (setup, began) => bullmq.worker(onServer(setup), began),
}
