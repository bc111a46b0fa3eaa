/** The promise: what Warren opens, declares, listens to, times and labels, it also undoes. */
import { queryObjects } from 'node:v8'
import { Registry } from 'prom-client'
import { beforeAll, expect, it } from 'vitest'
import { Connection } from '../../src/amqp/connection.js'
import { connect, Reject, workerMetrics } from '../../src/index.js'
import { Worker } from '../../src/work/worker.js'
import { behaveTask } from '../support/behave.js'
import { type ClusterUrls, consuming, until, virtualHost, waiting } from '../support/cluster.js'
import { held } from '../support/leaks.js'

const SERVICE = 'leaks'
const task = behaveTask('payment.leaks.task', { retry: { maxAttempts: 2, initialDelayMs: 50 } })
const RESULT = { timeoutMs: 20_000 }

let urls: ClusterUrls & { readonly vhost: string }
beforeAll(async () => {
  urls = await virtualHost(SERVICE, [task])
})

/** Sends, runs, retries, dead-letters, looks, redrives, and closes. Gives the lines of the worker's metrics. */
async function round(): Promise<number> {
  await using warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  const dead = new Set<string>()
  const worker = warren.worker({ service: SERVICE, concurrency: 4 })
  worker.handle(task, async ({ does: [first] }, { id, number, progress, signal }) => {
    await progress({ number })
    if (first === 'throw' && number === 1) throw new Error('told to fail')
    if (first === 'reject' && !dead.has(id)) {
      dead.add(id)
      throw new Reject('told to reject')
    }
    return { number, aborted: signal.aborted }
  })
  const metrics = workerMetrics(worker, new Registry())
  await consuming(worker)
  const sendAll = (does: 'return' | 'throw' | 'reject', count: number) =>
    Promise.all(Array.from({ length: count }, () => warren.send(task, { does: [does] })))
  for (const handle of [...(await sendAll('return', 20)), ...(await sendAll('throw', 5))]) await handle.result(RESULT)
  const rejected = await sendAll('reject', 3)
  for (const handle of rejected) await expect(handle.result(RESULT)).rejects.toThrow('told to reject')
  const letters = warren.deadLetters({ domain: 'payment' })
  const ids: string[] = []
  for await (const { id } of letters.list()) ids.push(id)
  expect(ids.sort()).toEqual(rejected.map(({ id }) => id).sort())
  await letters.redrive({})
  await until('the redriven ones', async () => (await waiting(urls.broker, 'payment.dlq')) === 0)
  await until('nothing held', () => worker.health().held === 0)
  const stopped = new AbortController()
  const waitingFor = warren.handle(task, 'never-sent').result({ signal: stopped.signal })
  stopped.abort(new Error('no longer wanted'))
  await expect(waitingFor).rejects.toThrow('no longer wanted')
  const lines = (await metrics.metrics()).split('\n').filter((line) => line.startsWith('warren_'))
  return lines.length
}

it('Rounds of sending, running, retrying, dead-lettering, redriving and closing leave nothing behind', async () => {
  // What stays for good, as queues do, is there after the first.
  const lines = await round()
  const before = await held(urls.vhost)
  for (let again = 0; again < 2; again++) expect(await round()).toBe(lines)
  await expect.poll(() => held(urls.vhost), { timeout: 20_000 }).toEqual(before)
})

it('Of workers that have stopped nothing stays in memory, while their application goes on', async () => {
  await using warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  const alive = () => [Worker, Connection].map((each) => queryObjects(each, { format: 'count' }))
  const registry = new Registry()
  const before = alive()
  for (let again = 0; again < 4; again++) {
    const worker = warren.worker({ service: SERVICE }).handle(task, (_input, { number }) => ({ number }))
    // Its metrics leave the registry with it.
    workerMetrics(worker, registry)
    await consuming(worker)
    await worker.stop()
  }
  // One may still be on its way out.
  alive().forEach((count, index) => {
    expect(count).toBeLessThanOrEqual((before[index] ?? 0) + 1)
  })
})
