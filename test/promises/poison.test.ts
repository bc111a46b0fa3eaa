/** The promise: a message that kills every worker it meets is dead-lettered after its limit, and its neighbours succeed. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect, headers, type Warren } from '../../src/index.js'
import { type ClusterUrls, deadLetters, until, virtualHost } from '../support/cluster.js'
import { classicVictim, LIMIT, quorumVictim, SERVICE } from '../support/victims.js'

const WORKER = fileURLToPath(new URL('../support/victimWorker.mjs', import.meta.url))

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
let worker: ChildProcess | undefined
let deaths = 0
let over = false

beforeAll(async () => {
  urls = await virtualHost(SERVICE, [classicVictim, quorumVictim], { [quorumVictim.name]: { deliveryLimit: LIMIT } })
  warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  // A supervisor: each worker that dies is followed by another.
  const run = async (): Promise<void> => {
    while (!over) {
      worker = fork(WORKER, [urls.broker, urls.results], { stdio: 'inherit' })
      await once(worker, 'exit')
      deaths++
    }
  }
  void run()
  await until('a worker', async () => {
    const probe = await warren.send(quorumVictim, { dies: false }).catch(() => undefined)
    return probe !== undefined
  })
  await until(
    'the classic queue',
    async () => (await warren.send(classicVictim, { dies: false }).catch(() => undefined)) !== undefined,
  )
})
afterAll(async () => {
  over = true
  worker?.kill('SIGKILL')
  await warren?.close()
})

describe.each([
  { task: quorumVictim, queue: 'payment.dlq' },
  { task: classicVictim, queue: 'user.dlq' },
])('On the $task.queue.type queue', ({ task, queue }) => {
  it('the killer is dead-lettered after its limit, and 20 neighbours succeed', async () => {
    const before = deaths
    const neighbours = await Promise.all(Array.from({ length: 10 }, () => warren.send(task, { dies: false })))
    const killer = await warren.send(task, { dies: true })
    neighbours.push(...(await Promise.all(Array.from({ length: 10 }, () => warren.send(task, { dies: false })))))
    expect(await Promise.all(neighbours.map((handle) => handle.result({ timeoutMs: 50_000 })))).toEqual(
      Array(20).fill('alive'),
    )
    await until('the dead letter of the killer', async () =>
      (await deadLetters(urls.vhost, queue)).some(({ properties }) => properties.message_id === killer.id),
    )
    const dead = (await deadLetters(urls.vhost, queue)).filter(({ properties }) => properties.message_id === killer.id)
    expect(dead).toHaveLength(1)
    const found = dead[0]?.properties.headers ?? {}
    if (task === quorumVictim) expect(found['x-death']).toMatchObject([{ reason: 'delivery_limit' }])
    else expect(found).toMatchObject({ [headers.reason]: 'delivery-limit' })
    // The first delivery and as many more as the limit allows.
    expect(deaths - before).toBe(LIMIT + 1)
  })
})
