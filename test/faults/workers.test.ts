/** The promise: workers come and go, by request or by force, and each task is done. Real worker processes. */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { type Runs, readLedger, sumRuns } from '../../demo/ledger.js'
import { createInvoice } from '../../demo/tasks.js'
import { connect, type Handle, type Warren } from '../../src/index.js'
import { clusterUrls, fault, scale, status, testCluster, until } from '../support/cluster.js'

let warren: Warren

beforeAll(async () => {
  const { broker, results } = clusterUrls('client')
  warren = await connect({ broker, results, logger: false })
})
beforeEach(() => scale(5))
afterAll(async () => {
  await scale(0)
  await warren?.close()
})

const invoice = (seconds: number) => ({ customer: 'c1', amountCents: 1200, seconds })
const runs = async (): Promise<Map<string, Runs>> => sumRuns(readLedger(testCluster().ledgerFolder))
const workers = async () => (await status()).processes.filter(({ kind }) => kind === 'worker')

/** Sends `count` tasks and gives their handles once all are confirmed. */
async function send(count: number, seconds: number): Promise<Handle<unknown>[]> {
  const handles: Handle<unknown>[] = []
  await warren.sendMany(
    createInvoice,
    Array.from({ length: count }, () => invoice(seconds)),
    {
      onSent: (handle) => handles.push(handle),
    },
  )
  return handles
}
const allResults = (handles: readonly Handle<unknown>[]) =>
  Promise.all(handles.map((handle) => handle.result({ timeoutMs: 50_000 })))

it('Scaling 5 → 10 → 3 while 1,000 tasks run: every task SUCCESS, and run exactly once', async () => {
  const handles = await send(1000, 0.03)
  const results = allResults(handles)
  await scale(10)
  await scale(3)
  expect(await results).toHaveLength(1000)
  const ledger = await runs()
  const counts = handles.map(({ id }) => ledger.get(id)?.outcomes)
  expect(counts.every((outcomes) => JSON.stringify(outcomes) === '{"succeeded":1}')).toBe(true)
  expect((await workers()).filter(({ state }) => state === 'running')).toHaveLength(3)
})

it('SIGTERM to a worker in mid-task: it finishes, settles, and exits 0', async () => {
  const handles = await send(5, 1.5)
  const busy = await workerOf(handles[0] as Handle<unknown>)
  await fault.stop(busy)
  const ledger = await runs()
  const mine = [...ledger].filter(([id, { workers: who }]) => who.has(busy) && handles.some((each) => each.id === id))
  expect(mine.length).toBeGreaterThan(0)
  for (const [, { started, acknowledged }] of mine)
    expect({ started, acknowledged }).toEqual({ started: 1, acknowledged: 1 })
  const stopped = (await workers()).find(({ name }) => name === busy)
  expect(stopped).toMatchObject({ state: 'stopped', detail: 'exited with code 0' })
  expect(await allResults(handles)).toHaveLength(5)
  await fault.start(busy)
})

it('kill -9 of a worker in mid-task: another runs it, and nothing is lost', async () => {
  // Long enough that it still runs when the kill comes, however slow the machine is.
  const handles = await send(10, 4)
  const first = handles[0] as Handle<unknown>
  const busy = await workerOf(first)
  await fault.kill(busy)
  expect(await allResults(handles)).toHaveLength(10)
  const run = (await runs()).get(first.id)
  expect(run?.started).toBe(2)
  expect(run?.acknowledged).toBe(1)
  expect(run?.workers.size).toBe(2)
  await fault.start(busy)
})

/** The worker that has started the task, waited for. */
async function workerOf(handle: Handle<unknown>): Promise<string> {
  let name: string | undefined
  await until(`a start of ${handle.id}`, async () => {
    name = [...((await runs()).get(handle.id)?.workers ?? [])][0]
    return name !== undefined
  })
  return name as string
}
