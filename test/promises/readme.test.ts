/** The promise: what the README and the guides show as a file in `examples/` does what is said of it. */
import { beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { type ClusterUrls, deadLetters, manage, until, virtualHost } from '../support/cluster.js'

const quorum = { queue: { type: 'quorum' } } as const
const said: string[] = []
let urls: ClusterUrls & { readonly vhost: string }

beforeAll(async () => {
  const tasks = ['payment.invoice.send', 'user.image.resize', 'user.greeting.send', 'email.welcome.send']
  urls = await virtualHost(
    'examples',
    tasks.map((name) => ({ name, ...quorum })),
  )
  vi.stubEnv('WARREN_BROKER', urls.broker)
  vi.stubEnv('WARREN_RESULTS', urls.results)
  vi.stubEnv('WARREN_HTTP_PORT', '0')
  const log = vi.spyOn(console, 'log').mockImplementation((...line: unknown[]) => void said.push(line.join(' ')))
  return () => {
    log.mockRestore()
    vi.unstubAllEnvs()
  }
})
beforeEach(() => {
  said.length = 0
})

it('examples/invoice.ts sends one task, handles it and prints its result', async () => {
  // Anew each time: a module that failed stays failed, also when the test is repeated.
  await import(`${new URL('../../examples/invoice.ts', import.meta.url).href}?${performance.now()}`)
  expect(said).toEqual(['attempt 1 for c1', expect.stringMatching(/^INV-[0-9a-f-]{36}$/)])
})

it('examples/first.mjs: a task that works, one that fails, its dead letter, and its redrive', async () => {
  await import(new URL('../../examples/first.mjs', import.meta.url).href)
  expect(said.map((line) => line.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID'))).toEqual([
    'done: welcome-ID',
    'failed: Task ID failed with Error: grace is no address',
    'dead letter: failed on attempt 1 with Error: grace is no address',
    'redriven: welcome-ID',
  ])
})

it('examples/bulk.ts sends 500 tasks from a generator and gets 500 results', async () => {
  await import('../../examples/bulk.js')
  expect(said).toEqual(['500 sent, 0 failed, 500 resized'])
})

it('examples/definitions.ts prints definitions that RabbitMQ takes, with a policy for the queue', async () => {
  await import('../../examples/definitions.js')
  const printed = JSON.parse(said.join('\n')) as { policies: { name: string; definition: object }[] }
  await manage('POST', '/definitions', printed)
  const policies = await manage<{ name: string; definition: object }[]>('GET', '/policies/%2F')
  expect(policies.find(({ name }) => name === 'payment.invoice.send.billing')?.definition).toEqual({
    'dead-letter-exchange': 'payment.dlx',
    'dead-letter-strategy': 'at-least-once',
    overflow: 'reject-publish',
    'delivery-limit': 10,
    'message-ttl': 86_400_000,
  })
  await manage('DELETE', '/policies/%2F/payment.invoice.send.billing')
})

it('examples/worker.ts serves, handles, rejects, and drains on SIGTERM', async () => {
  const others = process.listeners('SIGTERM')
  const run = import('../../examples/worker.js')
  await until('the worker being ready', () => said.length > 0)
  const [, url = ''] = /(http:\S+)\/healthz/.exec(said[0] ?? '') ?? []
  expect(await (await fetch(`${url}/healthz`)).json()).toMatchObject({ ready: true, state: 'running' })
  expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/^warren_worker_ready\{service="[^"]+"\} 1$/m)

  const { connect, defineTask } = await import('../../src/index.js')
  const { z } = await import('zod')
  const greet = defineTask({
    name: 'user.greeting.send',
    input: z.object({ name: z.string() }),
    output: z.object({ text: z.string() }),
  })
  const warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  const handle = await warren.send(greet, { name: 'Ada' })
  expect(await handle.result({ timeoutMs: 20_000 })).toEqual({ text: 'Hello, Ada' })
  const nobody = await warren.send(greet, { name: 'nobody' })
  await expect(nobody.result({ timeoutMs: 20_000 })).rejects.toMatchObject({ errorClass: 'Reject' })
  expect(await deadLetters(urls.vhost, 'user.dlq')).toHaveLength(1)
  await warren.close()

  // Only the example's own listener: vitest has some, too.
  for (const listener of process.listeners('SIGTERM')) if (!others.includes(listener)) listener('SIGTERM')
  await run
  expect(said.at(-1)).toBe('stopped')
})
