/** The promise: a worker that dies between any two steps of settling a member strands nothing, and no body is run twice. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, join, step, type Warren } from '../../src/index.js'
import { type ClusterUrls, until, virtualHost } from '../support/cluster.js'
import { atEnd, type OwnStore, ownStore } from '../support/ownStore.js'

const VICTIM = fileURLToPath(new URL('../support/flowVictim.mjs', import.meta.url))
/** Before the end is noted, after that, after what begins then was published, and after that was noted. */
const STEPS = [0, 1, 2, 3]

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
  { timeout: 90_000 },
  async (others) => {
    await Promise.all(STEPS.map((at) => killedAt(at, others)))
  },
)

async function killedAt(at: number, others: number): Promise<void> {
  const suffix = `${others}-${at}`
  const tasks = {
    member: defineTask({
      name: `payment.killed.member-${suffix}`,
      input: z.object({ n: z.number() }),
      output: z.number(),
    }),
    body: defineTask({
      name: `payment.killed.body-${suffix}`,
      input: z.object({ of: z.array(z.number()) }),
      output: z.array(z.number()),
    }),
  }
  let bodies = 0
  const start = async (step: string) => {
    const child = fork(VICTIM, [urls.broker, store.url, suffix, step])
    atEnd(() => child.kill('SIGKILL'))
    child.on('message', (message) => {
      if (message === 'body') bodies++
    })
    await once(child, 'message')
    return child
  }
  const victim = await start(String(at))
  const dead = once(victim, 'exit')
  const members = Array.from({ length: others + 1 }, (_, n) => step(tasks.member, { n }))
  const flow = await warren.flows.start(join(members, step(tasks.body, {}, { into: 'of' })))
  await dead
  await start('none')
  expect(await flow.result({ timeoutMs: 60_000 })).toEqual(members.map((_, n) => n))
  await until('all is acknowledged', async () => (await flow.state())?.state === 'succeeded')
  expect(bodies).toBe(1)
}
