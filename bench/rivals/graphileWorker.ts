/**
 * graphile-worker on PostgreSQL: jobs are added 1,000 at a time. As it is by default, each job is taken and completed by a
 * query of its own; batched, it takes many at a time into a local queue and completes those that end together.
 */
import { randomUUID } from 'node:crypto'
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

interface Payload {
  readonly id: string
  readonly text: string
  readonly ms: number
}
interface Helpers {
  query(text: string, values: readonly unknown[]): Promise<unknown>
}
interface GraphileWorker {
  makeWorkerUtils(options: object): Promise<{
    migrate(): Promise<void>
    addJobs(jobs: readonly { identifier: string; payload: Payload }[]): Promise<unknown>
    release(): Promise<void>
  }>
  run(options: object): Promise<{ stop(): Promise<void> }>
  Logger: new (make: () => () => void) => object
}

const BULK = 1_000
const CONCURRENCY = 24

const graphileWorkerWith = (batched: boolean): NodeRival => ({
  async client({ server, tasks }: Setup): Promise<BenchClient> {
    const { makeWorkerUtils, Logger } = required<GraphileWorker>('graphile-worker')
    const connectionString = server as string
    const utils = await makeWorkerUtils({ connectionString, logger: new Logger(() => () => undefined) })
    await utils.migrate()
    const { finals, close } = await listening(connectionString)
    const add = (payloads: readonly Payload[]) =>
      utils.addJobs(payloads.map((payload) => ({ identifier: tasks[0] as string, payload })))
    const publish = async ({ count, bytes, ms }: Load, expect = (_id: string): void => undefined) => {
      const text = textOfBytes(bytes)
      for (let sent = 0; sent < count; sent += BULK) {
        const payloads = Array.from({ length: Math.min(BULK, count - sent) }, () => ({ id: randomUUID(), text, ms }))
        for (const { id } of payloads) expect(id)
        await add(payloads)
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
        await add([{ id, text: textOfBytes(bytes), ms }])
        await done
      },
      async close() {
        await Promise.all([utils.release(), close()])
      },
    }
  },

  async worker({ server, tasks, tasksAre }: Setup, began: () => void): Promise<BenchWorker> {
    const { run, Logger } = required<GraphileWorker>('graphile-worker')
    const concurrency = tasksAre === 'short' ? CONCURRENCY : 1
    const batches = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 }
    const runner = await run({
      connectionString: server,
      noHandleSignals: true,
      logger: new Logger(() => () => undefined),
      preset: { worker: { concurrentJobs: concurrency, maxPoolSize: 12, ...(batched ? batches : {}) } },
      taskList: {
        [tasks[0] as string]: async ({ id, ms }: Payload, helpers: Helpers) => {
          began()
          await pause(ms)
          await helpers.query(...deliver([id]))
        },
      },
    })
    return { close: () => runner.stop() }
  },
})

export const graphileWorker = graphileWorkerWith(false)
export const graphileWorkerBatched = graphileWorkerWith(true)
