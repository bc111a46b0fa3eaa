/** The promise: a flood is delayed or dead-lettered, and the system goes on. Messages that wait too long expire by policy. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect, taskQueue, type Warren } from '../../src/index.js'
import { behave, behaveTask, type Seen } from '../support/behave.js'
import { type ClusterUrls, consuming, deadLetters, until, virtualHost } from '../support/cluster.js'

const SERVICE = 'expiry'
/** The demo's one and two minutes, shortened by the same policies. */
const TTL_MS = 400
const classic = behaveTask('user.expiry.task', { type: 'classic' })
const quorum = behaveTask('payment.expiry.task', { type: 'quorum' })

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
const seen: Seen[] = []

beforeAll(async () => {
  urls = await virtualHost(SERVICE, [classic, quorum], {
    [classic.name]: { ttlMs: TTL_MS },
    [quorum.name]: { ttlMs: TTL_MS },
  })
  warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  // Declares the queues, and then leaves them without a consumer.
  const worker = warren.worker({ service: SERVICE })
  worker.handle(classic, behave(seen)).handle(quorum, behave(seen))
  await consuming(worker)
  await worker.stop()
})
afterAll(() => warren?.close())

describe.each([
  { task: classic, queue: 'user.dlq' },
  { task: quorum, queue: 'payment.dlq' },
])('On the $task.queue.type queue', ({ task, queue }) => {
  it('messages that no worker took in time are all in the dead-letter queue, and workers go on with new ones', async () => {
    const ids: string[] = []
    await warren.sendMany(
      task,
      Array.from({ length: 50 }, () => ({ does: ['return' as const] })),
      {
        onSent: ({ id }) => ids.push(id),
      },
    )
    const expired = async () =>
      (await deadLetters(urls.vhost, queue)).filter(({ properties }) => ids.includes(properties.message_id ?? ''))
    await until('50 dead letters', async () => (await expired()).length === 50)
    for (const { properties } of await expired()) {
      expect(properties.headers?.['x-death']).toMatchObject([
        { reason: 'expired', queue: taskQueue(task.name, SERVICE) },
      ])
    }
    expect(seen.filter(({ id }) => ids.includes(id))).toEqual([])

    const worker = warren.worker({ service: SERVICE }).handle(task, behave(seen))
    await consuming(worker)
    const handle = await warren.send(task, { does: ['return'] })
    expect(await handle.result({ timeoutMs: 10_000 })).toEqual({ number: 1 })
    await worker.stop()
  })
})
