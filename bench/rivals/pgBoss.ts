/**
 * pg-boss on PostgreSQL: jobs are added 1,000 at a time, and each worker takes 100 at a time, woken by notifications, and
 * at once while its batches are full. The results of a batch are written together.
 */
import { randomUUID } from 'node:crypto'
import { Client } from 'pg'
import { deliver, listening, required } from './postgres.js'
import {
  type BenchClient,
  type BenchWorker,
  type Load,
  type NodeRival,
  pause,
  type Setup,
  textOfBytes,
} from './rival.js'

interface Data {
  readonly text: string
  readonly ms: number
}
interface Boss {
  on(event: 'error' | 'warning', listener: () => void): void
  start(): Promise<unknown>
  stop(options: object): Promise<void>
  createQueue(name: string, options: object): Promise<void>
  insert(name: string, jobs: readonly { id: string; data: Data }[]): Promise<unknown>
  work(
    name: string,
    options: object,
    handler: (jobs: readonly { id: string; data: Data }[]) => Promise<unknown>,
  ): Promise<string>
}

const BULK = 1_000
const BATCH = 100

async function started({ server, tasks }: Setup): Promise<{ boss: Boss; queue: string }> {
  const { PgBoss } = required<{ PgBoss: new (options: object) => Boss }>('pg-boss')
  const boss = new PgBoss({ connectionString: server, supervise: false, schedule: false, useListenNotify: true })
  boss.on('error', () => undefined)
  boss.on('warning', () => undefined)
  await boss.start()
  const queue = tasks[0] as string
  await boss.createQueue(queue, { notify: true })
  return { boss, queue }
}

export const pgBoss: NodeRival = {
  async client(setup: Setup): Promise<BenchClient> {
    const { boss, queue } = await started(setup)
    const { finals, close } = await listening(setup.server as string)
    const publish = async ({ count, bytes, ms }: Load, expect = (_id: string): void => undefined) => {
      const data = { text: textOfBytes(bytes), ms }
      for (let sent = 0; sent < count; sent += BULK) {
        const jobs = Array.from({ length: Math.min(BULK, count - sent) }, () => ({ id: randomUUID(), data }))
        for (const { id } of jobs) expect(id)
        await boss.insert(queue, jobs)
      }
    }
    return {
      publish: (load) => publish(load),
      async roundTrip(load) {
        await publish(load, (id) => finals.expect(id))
        await finals.all()
      },
      async call({ bytes, ms }) {
        const id = randomUUID()
        const done = finals.of(id)
        await boss.insert(queue, [{ id, data: { text: textOfBytes(bytes), ms } }])
        await done
      },
      async close() {
        await Promise.all([boss.stop({ graceful: false }), close()])
      },
    }
  },

  async worker(setup: Setup, began: () => void): Promise<BenchWorker> {
    const { boss, queue } = await started(setup)
    const results = new Client(setup.server as string)
    await results.connect()
    const batchSize = setup.tasksAre === 'short' ? BATCH : 1
    // Without the burst it would wait for the next notification after each batch.
    const fetching = {
      burstWhenBatchFull: batchSize > 1,
      pollingIntervalSeconds: 0.5,
      notifyPollingIntervalSeconds: 0.5,
    }
    await boss.work(queue, { batchSize, ...fetching }, async (jobs) => {
      await Promise.all(
        jobs.map(async ({ data: { ms } }) => {
          began()
          await pause(ms)
        }),
      )
      const [text, values] = deliver(jobs.map(({ id }) => id))
      await results.query(text, [...values])
    })
    return {
      async close() {
        await boss.stop({ graceful: false })
        await results.end()
      },
    }
  },
}
