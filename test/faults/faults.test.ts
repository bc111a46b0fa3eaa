/** The promise: what happens to a cluster delays work and loses none. Real nodes are killed and started again. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { readLedger, sumRuns } from '../../demo/ledger.js'
import { createAccount, createInvoice, SERVICE } from '../../demo/tasks.js'
import { connect, type Handle, taskQueue, type Warren, type Worker } from '../../src/index.js'
import { behave, behaveTask } from '../support/behave.js'
import {
  type ClusterUrls,
  clusterUrls,
  consuming,
  fault,
  healthy,
  keptByDeadNode,
  manage,
  repair,
  scale,
  status,
  testCluster,
  until,
  virtualHost,
} from '../support/cluster.js'

const ACCOUNTS = taskQueue(createAccount.name, SERVICE)
const INVOICES = taskQueue(createInvoice.name, SERVICE)

const steady = behaveTask('payment.majority.steady')

let warren: Warren
let majority: ClusterUrls

beforeAll(async () => {
  const { broker, results } = clusterUrls('client')
  warren = await connect({ broker, results, logger: false })
  await scale(3)
  majority = await virtualHost('majority', [steady])
  // Declared now, long before its nodes are killed: RabbitMQ 3.10 forgets a quorum queue that is a second old.
  await using declaring = await connect({ broker: majority.broker, logger: false })
  await consuming(declaring.worker({ service: 'majority' }).handle(steady, behave([])))
})
afterAll(async () => {
  await scale(0)
  await warren?.close()
})

const invoice = { customer: 'c1', amountCents: 1200, seconds: 0 }
const account = { name: 'Ada', email: 'ada@example.org', seconds: 0 }
const nodeOf = (erlangName: string): string => erlangName.replace(/@.*/, '')

interface QueueInfo {
  readonly leader?: string
  readonly node?: string
  readonly online?: readonly string[]
  readonly consumers?: number
}
const queueInfo = (queue: string) => manage<QueueInfo>('GET', `/queues/%2F/${queue}`)

it("kill -9 of the quorum queue's leader under load: none of what was confirmed is lost; the node rejoins", async () => {
  onTestFinished(repair)
  const leader = nodeOf((await queueInfo(INVOICES)).leader ?? '')
  const handles: Handle<unknown>[] = []
  const failed: unknown[] = []
  let killed: Promise<unknown> | undefined
  await warren.sendMany(
    createInvoice,
    Array.from({ length: 3000 }, () => invoice),
    {
      onSent: (handle) => {
        if (handles.push(handle) === 800) killed = fault.kill(leader)
      },
      onFailed: (error) => failed.push(error),
    },
  )
  await killed
  expect(failed).toEqual([])
  expect(handles).toHaveLength(3000)
  const results = handles.map((handle) => handle.result({ timeoutMs: 100_000 }))
  const kept = await keptByDeadNode()
  let ran = 0
  for (const result of results) result.then(() => ran++).catch(() => undefined)
  await until('the results of all that the dead node does not keep', () => ran >= 3000 - kept, 50_000)
  await fault.start(leader)
  expect(await Promise.all(results)).toHaveLength(3000)
  const runs = await sumRuns(readLedger(testCluster().ledgerFolder))
  expect(handles.filter(({ id }) => !runs.has(id))).toEqual([])

  await healthy()
  await until('three members online', async () => (await queueInfo(INVOICES)).online?.length === 3)
}, 150_000)

describe('While the node that holds the classic queue is down', () => {
  let worker: Worker
  let host: string
  const lines: string[] = []

  beforeAll(async () => {
    await scale(0)
    const { broker, results } = clusterUrls('service')
    const note = (_fields: object, message: string): void => void lines.push(message)
    const service = await connect({ broker, results, logger: { debug: note, info: note, warn: note, error: note } })
    worker = service.worker({ service: SERVICE })
    worker.handle(createAccount, () => ({ accountId: 'a', worker: 'test' }))
    worker.handle(createInvoice, () => ({ invoiceId: 'i', worker: 'test' }))
    await consuming(worker)
    host = nodeOf((await queueInfo(ACCOUNTS)).node ?? '')
    await fault.kill(host)
    return async () => {
      await repair()
      await service.close()
    }
  })

  const stateOf = (queue: string) => worker.health().queues.find((each) => each.queue === queue)?.state

  it('the worker says so once, stays, and is not ready', async () => {
    await until('the loss being noticed', () => lines.some((line) => line.startsWith(`Not consuming ${ACCOUNTS}`)))
    await until('payments being consumed', () => stateOf(INVOICES) === 'consuming')
    expect(worker.state).toBe('running')
    expect(worker.health().ready).toBe(false)
  })

  it('the quorum queue goes on', async () => {
    const sending = Array.from({ length: 200 }, () => warren.send(createInvoice, invoice))
    const handles = await Promise.all(sending)
    expect(await Promise.all(handles.map((handle) => handle.result({ timeoutMs: 20_000 })))).toHaveLength(200)
  })

  it('a send to the classic queue is not taken for done', async () => {
    const sending = warren.send(createAccount, account, { confirmTimeoutMs: 1_000 })
    await expect(sending).rejects.toMatchObject({ code: expect.stringMatching(/^(UNROUTABLE|UNCONFIRMED)$/) })
  })

  it('and when it is back, the worker takes the queue up again by itself', async () => {
    await fault.start(host)
    await until('consuming the classic queue', () => stateOf(ACCOUNTS) === 'consuming')
    const handle = await warren.send(createAccount, account)
    expect(await handle.result({ timeoutMs: 20_000 })).toMatchObject({ worker: 'test' })
    // One line for one loss of one queue, however often it was tried.
    expect(lines.filter((line) => line.startsWith(`Not consuming ${ACCOUNTS}`)).length).toBeLessThanOrEqual(2)
    await healthy()
  })
})

it('The result store killed and started again under load: attempts hold their messages, and all end as SUCCESS', async () => {
  onTestFinished(repair)
  await scale(3)
  const handles: Handle<unknown>[] = []
  let killed: Promise<unknown> | undefined
  await warren.sendMany(
    createInvoice,
    Array.from({ length: 1500 }, () => invoice),
    {
      onSent: (handle) => {
        if (handles.push(handle) === 300) killed = fault.kill('valkey')
      },
    },
  )
  await killed
  const results = Promise.all(handles.map((handle) => handle.result({ timeoutMs: 50_000 })))
  await until('workers that are not ready', async () => {
    const { processes } = await status()
    const worker = processes.find(({ kind }) => kind === 'worker')
    const health = await fetch(`http://127.0.0.1:${worker?.ports[0]}/healthz`)
    return health.status === 503
  })
  await fault.start('valkey')
  expect(await results).toHaveLength(1500)
})

it('HAProxy restarted under load: nothing is lost', async () => {
  onTestFinished(repair)
  const handles: Handle<unknown>[] = []
  let restarted: Promise<unknown> | undefined
  await warren.sendMany(
    createInvoice,
    Array.from({ length: 2000 }, () => invoice),
    {
      onSent: (handle) => {
        if (handles.push(handle) === 500) restarted = fault.kill('haproxy').then(() => fault.start('haproxy'))
      },
    },
  )
  await restarted
  expect(await Promise.all(handles.map((handle) => handle.result({ timeoutMs: 50_000 })))).toHaveLength(2000)
})

it('A majority of nodes lost: sends wait and then say so; with the majority back, all goes on', async () => {
  onTestFinished(repair)
  // Straight to the nodes, without HAProxy.
  await using straight = await connect({ broker: majority.nodes, results: majority.results, logger: false })
  const worker = straight.worker({ service: 'majority' }).handle(steady, behave([]))
  await worker.start()
  await Promise.all([fault.kill('rabbitmq-1'), fault.kill('rabbitmq-3')])
  const impatient = straight.send(steady, { does: ['return'] }, { confirmTimeoutMs: 2_000 })
  await expect(impatient).rejects.toMatchObject({ code: 'UNCONFIRMED', retryable: true })
  const patient = straight.send(steady, { does: ['return'] }, { confirmTimeoutMs: 100_000 })
  await Promise.all([fault.start('rabbitmq-1'), fault.start('rabbitmq-3')])
  const handle = await patient
  expect(await handle.result({ timeoutMs: 60_000 })).toEqual({ number: 1 })
  await until('a ready worker', () => worker.health().ready)
}, 150_000)
