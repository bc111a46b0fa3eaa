/** The promise: a domain without its dead-letter exchange is said, and stops nothing but what would be dead-lettered. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { connect, deadLetterExchange, deadLetterQueue, defineTask, type Logger, type Warren } from '../../src/index.js'
import { type ClusterUrls, consuming, deadLetters, manage, until, virtualHost } from '../support/cluster.js'

const SERVICE = 'image'
const RESULT = { timeoutMs: 30_000 }
const retry = { maxAttempts: 1 }
const input = z.object({ n: z.number() })
const known = defineTask({ name: 'payment.image.known', input, output: z.number(), retry })
const missing = defineTask({ name: 'photo.image.resize', input, output: z.number(), retry })
const made = defineTask({ name: 'video.image.cut', input, output: z.number(), retry })

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
const lines: string[] = []
let republished = 0

beforeAll(async () => {
  // The operator's part for `payment` alone.
  urls = await virtualHost(SERVICE, [known])
  const warn = (_: object, message: string) => void lines.push(message)
  const logger: Logger = { debug: () => undefined, info: () => undefined, warn, error: warn }
  warren = await connect({ broker: urls.broker, results: urls.results, logger })
  warren.on('republished', () => {
    republished++
  })
})
afterAll(() => warren?.close())

const fails = ({ n }: { n: number }): number => {
  if (n < 0) throw new Error('told to fail')
  return n
}

it('start() says it; what fails is held, and nothing else: others run, sends go on, and it is all put right by the operator', async () => {
  const domain = 'photo'
  const worker = warren.worker({ service: SERVICE, concurrency: 1, prefetch: 3 }).handle(missing, fails)
  const dead: string[] = []
  worker.on('deadLettered', ({ id }) => dead.push(id))
  await consuming(worker)
  const sentence = new RegExp(
    `Exchange ${deadLetterExchange(domain)} does not exist.*warren definitions.*declareDeadLetters`,
  )
  expect(lines).toEqual([expect.stringMatching(sentence)])
  // Named, and ready as long as it holds up nothing.
  expect(worker.health()).toMatchObject({ ready: true, problems: [expect.stringMatching(sentence)] })

  const delayed = new Set<string>()
  worker.on('settleDelayed', ({ id, error }) => {
    expect(error).toMatchObject({ code: 'DEAD_LETTER_EXCHANGE_MISSING', retryable: true })
    delayed.add(id)
  })
  // As many as the prefetch lets it hold.
  const failing = await Promise.all([-1, -2, -3].map((n) => warren.send(missing, { n })))
  await until('all three are held', () => delayed.size === 3)
  const good = await warren.send(missing, { n: 7 })
  expect(await good.result(RESULT)).toBe(7)
  for (let n = 0; n < 50; n++) await warren.send(missing, { n })
  await until('the good ones have run', () => worker.health().held === 3)
  expect([republished, dead]).toEqual([0, []])
  expect(worker.health().ready).toBe(false)

  const [dlx, dlq] = [deadLetterExchange(domain), deadLetterQueue(domain)]
  // The exchange alone is not enough: a dead letter would be lost in it.
  await manage('PUT', `/exchanges/${urls.vhost}/${dlx}`, { type: 'topic', durable: true })
  await until('the queue is missed', () => worker.health().problems.some((each) => !sentence.test(each)))
  expect(dead).toEqual([])
  await manage('PUT', `/queues/${urls.vhost}/${dlq}`, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
  await manage('POST', `/bindings/${urls.vhost}/e/${dlx}/q/${dlq}`, { routing_key: '#' })
  await until('all are dead-lettered', () => dead.length === 3)
  await until('it is ready', () => worker.health().ready)
  expect(worker.health()).toMatchObject({ held: 0, problems: [] })
  expect((await deadLetters(urls.vhost, dlq)).map(({ properties }) => properties.message_id).sort()).toEqual(
    failing.map(({ id }) => id).sort(),
  )
  for (const handle of failing) await expect(handle.result(RESULT)).rejects.toMatchObject({ code: 'TASK_FAILED' })
  await worker.stop()
})

it('declareDeadLetters makes the exchange and its queue, and the worker is ready', async () => {
  const worker = warren.worker({ service: SERVICE, declareDeadLetters: true }).handle(made, fails)
  const dead: string[] = []
  worker.on('deadLettered', ({ id }) => dead.push(id))
  await consuming(worker)
  expect(worker.health()).toMatchObject({ ready: true, problems: [] })
  const { id } = await warren.send(made, { n: -1 })
  await until('it is dead-lettered', () => dead.length === 1)
  expect(
    (await deadLetters(urls.vhost, deadLetterQueue('video'))).map(({ properties }) => properties.message_id),
  ).toEqual([id])
  await worker.stop()
})
