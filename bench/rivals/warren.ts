/** Warren as its guide shows it, with every option at its default. */

import { type ConnectOptions, connect, defineTask, type Handle, type Task } from 'warren'
import { z } from 'zod'
import {
  type BenchClient,
  type BenchWorker,
  type Load,
  type NodeRival,
  pause,
  SERVICE,
  type Setup,
  textOfBytes,
} from './rival.js'

const input = z.object({ text: z.string(), ms: z.number() })
const output = z.object({ ok: z.boolean() })

const tasksOf = ({ tasks, queueType }: Setup, more: { readonly pack?: object }) =>
  tasks.map((name) => defineTask({ name, input, output, queue: { type: queueType }, ...more }))

interface Variant {
  /** How it is connected. */
  readonly options?: Pick<ConnectOptions, 'history'>
  /** How its task is defined. */
  readonly more?: { readonly pack?: object }
}

const rival = ({ options = {}, more = {} }: Variant): NodeRival => ({
  async client(setup: Setup): Promise<BenchClient> {
    const { broker, results } = setup
    const client = await connect({ ...options, broker, results, logger: false })
    const tasks = tasksOf(setup, more)
    function* inputs({ count, bytes, ms }: Load) {
      const text = textOfBytes(bytes)
      for (let index = 0; index < count; index++) yield { text, ms }
    }
    /** Its share of the load to each of the tasks. */
    const each = (load: Load, act: (task: (typeof tasks)[number], share: Load) => Promise<void>) =>
      Promise.all(tasks.map((task) => act(task, { ...load, count: Math.ceil(load.count / tasks.length) })))
    return {
      async publish(load) {
        await each(load, async (task, share) => void (await client.sendMany(task, inputs(share))))
      },
      async roundTrip(load) {
        const waiting: Promise<unknown>[] = []
        const ids = new Set<string>()
        await each(load, async (task, share) => {
          const onSent = (handle: Handle<unknown>): void => {
            ids.add(handle.id)
            waiting.push(handle.result())
          }
          await client.sendMany(task, inputs(share), { onSent })
        })
        // Each has one result, which is final.
        await Promise.all(waiting)
        if (ids.size !== waiting.length) throw new Error(`${waiting.length} results of ${ids.size} tasks`)
      },
      async call({ bytes, ms }) {
        const handle = await client.send(tasks[0] as Task, { text: textOfBytes(bytes), ms })
        await handle.result()
      },
      close: () => client.close(),
    }
  },

  async worker(setup: Setup, began: () => void): Promise<BenchWorker> {
    const { broker, results } = setup
    const client = await connect({ ...options, broker, results, logger: false })
    const worker = client.worker({ service: SERVICE })
    for (const task of tasksOf(setup, more)) {
      worker.handle(task, async ({ ms }) => {
        began()
        await pause(ms)
        return { ok: true }
      })
    }
    await worker.start()
    return { close: () => client.close() }
  },
})

export const warren = rival({})
export const warrenWithoutHistory = rival({ options: { history: false } })
/** Tasks that are sent at the same time share messages. */
export const warrenPacks = rival({ more: { pack: {} } })
