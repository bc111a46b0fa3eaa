/** The promise: a paused queue is taken from by no worker, over restarts, and nothing of it is lost or dead-lettered. */
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, taskQueue, type Warren } from '../../src/index.js'
import { type ClusterUrls, deadLetters, until, virtualHost, waiting } from '../support/cluster.js'

const SERVICE = 'pause'
const RESULT = { timeoutMs: 30_000 }
const input = z.object({ n: z.number() })
const task = defineTask({ name: 'payment.pause.plain', input, output: z.number() })
const other = defineTask({ name: 'payment.pause.other', input, output: z.number() })
const queue = taskQueue(task.name, SERVICE)

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren

beforeAll(async () => {
  urls = await virtualHost(SERVICE, [task, other])
  warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
})
afterAll(() => warren?.close())

async function worker(concurrency = 4) {
  const ran: number[] = []
  const made = warren.worker({ service: SERVICE, concurrency, gracePeriodMs: 2_000 })
  for (const each of [task, other]) {
    made.handle(each, async ({ n }) => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      ran.push(n)
      return n
    })
  }
  onTestFinished(() => made.stop())
  await made.start()
  const stateOf = () => made.health().queues.find((each) => each.queue === queue)
  return { made, ran, stateOf }
}

it('a paused queue waits, over a restart of its workers, while others are consumed; resumed, it runs', async () => {
  const first = await worker()
  await warren.pause(queue, { reason: 'the bank is down' })
  await until('it is paused', () => first.stateOf()?.state === 'paused')
  expect(first.stateOf()?.reason).toMatch(/^paused since .*: the bank is down$/)
  expect(first.made.health().ready).toBe(true)
  const handle = await warren.send(task, { n: 1 })
  expect(await (await warren.send(other, { n: 2 })).result(RESULT)).toBe(2)
  await first.made.stop()
  const second = await worker()
  await until('it is paused there, too', () => second.stateOf()?.state === 'paused')
  expect(await (await warren.send(other, { n: 3 })).result(RESULT)).toBe(3)
  expect(await waiting(urls.broker, queue)).toBe(1)
  expect(await warren.paused()).toEqual([{ queue, since: expect.any(Date), reason: 'the bank is down' }])
  expect(await warren.resume(queue)).toBe(true)
  expect(await handle.result(RESULT)).toBe(1)
  expect(await warren.paused()).toEqual([])
  expect(await warren.resume(queue)).toBe(false)
  expect([...first.ran, ...second.ran].sort()).toEqual([1, 2, 3])
  await second.made.stop()
})

it('paused and resumed again and again under load, nothing is lost and nothing dead-lettered', async () => {
  const { made, ran } = await worker()
  const count = 400
  const handles: Promise<number>[] = []
  const sending = warren.sendMany(
    task,
    Array.from({ length: count }, (_, n) => ({ n })),
    { onSent: (handle) => void handles.push(handle.result(RESULT)) },
  )
  for (let times = 0; times < 10; times++) {
    await warren.pause(queue)
    await warren.resume(queue)
    await new Promise((resolve) => setTimeout(resolve, 20 * (times % 3)))
  }
  await sending
  expect((await Promise.all(handles)).length).toBe(count)
  expect(new Set(ran).size).toBe(count)
  expect(await deadLetters(urls.vhost, 'payment.dlq')).toEqual([])
  await made.stop()
})
