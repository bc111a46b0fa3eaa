/**
 * The promise: a worker that dies between any two steps of settling a member strands nothing, and no body is run twice.
 * WARREN_FLOW_KILLS says how often it dies at each.
 */
import { once } from 'node:events'
import { Worker as Thread } from 'node:worker_threads'
import { beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, join, step, type Warren } from '../../src/index.js'
import { type ClusterUrls, consuming, until, virtualHost } from '../support/cluster.js'
import { atEnd, type OwnStore, ownStore } from '../support/ownStore.js'

const VICTIM = new URL('../support/flowVictim.mjs', import.meta.url)
/** Before the end is noted, after that, after what begins then was published, and after that was noted. */
const STEPS = [0, 1, 2, 3]
const ROUNDS = Number(process.env.WARREN_FLOW_KILLS ?? 1)

let urls: ClusterUrls & { readonly vhost: string }
let store: OwnStore
let warren: Warren

beforeAll(async () => {
  ;[urls, store] = await Promise.all([virtualHost('killed', []), ownStore()])
  warren = await connect({ broker: urls.broker, results: store.url, logger: false })
  atEnd(() => warren.close())
})

it.each([0, 3])(
  'Its last member kills the worker at each step, after %i others',
  { timeout: 60_000 * ROUNDS },
  async (others) => {
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(STEPS.map((at) => killedAt(at, others, round)))
    }
  },
)

async function killedAt(at: number, others: number, round: number): Promise<void> {
  const suffix = `${others}-${at}-${round}`
  const member = defineTask({
    name: `payment.killed.member-${suffix}`,
    input: z.object({ n: z.number() }),
    output: z.number(),
  })
  const body = defineTask({
    name: `payment.killed.body-${suffix}`,
    input: z.object({ of: z.array(z.number()) }),
    output: z.array(z.number()),
  })
  let bodies = 0
  const victim = new Thread(VICTIM, { workerData: { broker: urls.broker, results: store.url, suffix, at } })
  const dead = once(victim, 'exit')
  victim.on('message', (message) => {
    if (message === 'body') bodies++
  })
  await once(victim, 'message')
  const members = Array.from({ length: others + 1 }, (_, n) => step(member, { n }))
  const flow = await warren.flows.start(join(members, step(body, {}, { into: 'of' })))
  await dead
  const worker = warren.worker({ service: 'killed' })
  worker.handle(member, ({ n }) => n)
  worker.handle(body, ({ of }) => {
    bodies++
    return of
  })
  await consuming(worker)
  expect(await flow.result({ timeoutMs: 60_000 })).toEqual(members.map((_, n) => n))
  await until('all is acknowledged', async () => (await flow.state())?.state === 'succeeded')
  expect(bodies).toBe(1)
  await worker.stop()
}
