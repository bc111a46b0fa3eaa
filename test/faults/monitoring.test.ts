/**
 * The promise: every panel shows something, and alerts fire when they should and not before. A real Prometheus scrapes the real
 * cluster while it works, and is asked each expression of each panel and alert.
 */
import type { Server } from 'node:http'
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard'
import { connect as amqpConnect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ports } from '../../cluster/index.js'
import { createAccount, createInvoice, SERVICE } from '../../demo/tasks.js'
import { alerts } from '../../monitoring/alerts.js'
import { dashboards } from '../../monitoring/files.js'
import { serveStoreMetrics } from '../../monitoring/storeExporter.js'
import { connect, type Schedules, step, type Warren } from '../../src/index.js'
import { planLevel } from '../../src/time/delayLevels.js'
import { delayHeaders, PASSES } from '../../src/wire/delayedKey.js'
import { DELAY_DUE, delayHeader, delayLevel } from '../../src/wire/names.js'
import { clusterUrls, fault, manage, scale, testCluster, until } from '../support/cluster.js'
import { shortened, TestPrometheus } from '../support/prometheus.js'

const WORKERS = 2
const QUEUE = `${createInvoice.name}.demo-service`
const DEAD_LETTERS = ['user.dlq', 'payment.dlq']

const prometheus = new TestPrometheus()
let exporter: Server
let warren: Warren
let admin: Warren
let schedules: Schedules
const account = { name: 'a', email: 'a@example.com', seconds: 0.05 }
let stopLoad: () => Promise<void>

beforeAll(async () => {
  await scale(WORKERS)
  const plan = { base: (testCluster().nodePorts[0] ?? 0) - 1, amqp: 0, edge: 0 }
  exporter = serveStoreMetrics(clusterUrls().results, ports.storeMetrics(plan), '127.0.0.1')
  const { broker, results } = clusterUrls('client')
  warren = await connect({ broker, results, logger: false })
  // A schedule that ticks, and a limit that holds some back.
  const urls = clusterUrls()
  admin = await connect({ broker: urls.broker, results: urls.results, logger: false })
  schedules = admin.schedules({ service: SERVICE })
  await schedules.upsert('monitored', { task: createAccount, input: account, everyMs: 1_000 })
  await admin.limits.set({ task: createAccount }, { rate: { count: 2, perMs: 1_000 } })
  stopLoad = load()
  await prometheus.start()
})

afterAll(async () => {
  await stopLoad?.()
  await prometheus.stop()
  exporter?.close()
  await scale(0)
  await schedules?.remove('monitored')
  await admin?.limits.clear({ task: createAccount })
  await admin?.close()
  await warren?.close()
  for (const queue of DEAD_LETTERS) await manage('DELETE', `/queues/%2F/${queue}/contents`)
})

/** Both tasks, again and again, a little more than the workers can do; and now and then one that no worker can read. */
function load(): () => Promise<void> {
  let on = true
  const invoices = async () => {
    while (on) {
      const handles = await Promise.all(
        Array.from({ length: 20 }, () => warren.send(createInvoice, { customer: 'c1', amountCents: 1, seconds: 0.05 })),
      )
      const sent = await warren.send(createAccount, account)
      await admin.flows.start(step(createInvoice, { customer: 'c1', amountCents: 1, seconds: 0 }))
      await deadLetter()
      await Promise.all([...handles, sent].slice(-5).map((each) => each.result({ timeoutMs: 60_000 })))
    }
  }
  const running = invoices().catch((error: unknown) => error)
  return async () => {
    on = false
    const problem = await running
    if (problem !== undefined) throw problem
  }
}

/** What is not a task goes to the dead letters, by the worker's hand. */
async function deadLetter(): Promise<void> {
  const connection = await amqpConnect(clusterUrls('client').broker)
  const channel = await connection.createConfirmChannel()
  const [exchange = ''] = QUEUE.split('.')
  channel.publish(`${exchange}.commands`, createInvoice.name, Buffer.from('no task'), { persistent: true })
  await channel.waitForConfirms()
  await connection.close()
}

/** Every expression of every panel, for one queue and one task. */
const ofPanels: [string, string][] = dashboards().flatMap((board) =>
  (board.panels ?? []).flatMap((panel) =>
    ((panel as Panel).targets ?? []).map((target): [string, string] => {
      const { expr = '', refId = '' } = target as { expr?: string; refId?: string }
      const asked = expr.replaceAll('$queue', QUEUE).replaceAll('$task', createInvoice.name)
      return [`${board.uid}: ${panel.title} ${refId}`, shortened(asked)]
    }),
  ),
)
const ofAlerts = alerts.map(({ name, measure }): [string, string] => [`alert ${name}`, shortened(measure)])

describe('Under load', () => {
  it('all that should be scraped is', async () => {
    const wanted = { rabbitmq: 3, 'rabbitmq-queues': 3, haproxy: 1, workers: WORKERS, store: 1 }
    await until('all targets up', async () => {
      const up = (await prometheus.targets()).filter(({ health }) => health === 'up').map(({ job }) => job)
      return Object.entries(wanted).every(([job, count]) => up.filter((each) => each === job).length === count)
    })
  })

  it('every panel and every alert has data', async () => {
    expect(ofPanels.length).toBeGreaterThan(60)
    let empty: string[] = []
    const all = [...ofPanels, ...ofAlerts]
    await until('data for every expression', async () => {
      const answers = await Promise.all(all.map(([, expression]) => prometheus.query(expression)))
      empty = all.filter((_, index) => !answers[index]?.some(({ value }) => value[1] !== 'NaN')).map(([name]) => name)
      return empty.length === 0
    }).catch((problem) => expect.unreachable(`${problem}: ${empty.join('; ')}`))
  })

  it('every metric that they name is one that a target tells of', async () => {
    const known = await prometheus.metricNames()
    // Of two names for the same, one is of a later RabbitMQ.
    const oneOf = (expression: string): string =>
      expression.replaceAll(/\b(rabbitmq_\w+) or (rabbitmq_\w+)/g, (_, old: string, now: string) =>
        known.has(old) ? old : now,
      )
    const named = [...ofPanels, ...ofAlerts].flatMap(
      ([, expression]) => oneOf(expression).match(/\b(rabbitmq|warren|redis|haproxy|erlang)_\w+/g) ?? [],
    )
    // A pattern of names ends in `_`: at least one of them is told of.
    const isTold = (name: string): boolean =>
      name.endsWith('_') ? [...known].some((each) => each.startsWith(name)) : known.has(name)
    expect([...new Set(named)].filter((name) => !isTold(name))).toEqual([])
  })

  it('an expression that is none, or that nothing answers, is found out', async () => {
    await expect(prometheus.query('sum by queue (rabbitmq_queues)')).rejects.toThrow(/parse error/)
    await expect(prometheus.query('rabbitmq_no_such_metric')).resolves.toEqual([])
  })
})

describe('An alert fires at a fault, and is over once that is mended:', () => {
  const fires = (name: string) => until(`${name} fires`, async () => (await prometheus.firing()).includes(name))
  const isOver = (name: string) => until(`${name} is over`, async () => !(await prometheus.firing()).includes(name))

  it('DeadLettersGrowing, while there is what no worker can read', async () => {
    await fires('DeadLettersGrowing')
    await stopLoad()
    await isOver('DeadLettersGrowing')
  })

  it.each([
    ['StoreDown', 'valkey'],
    ['NodeDown', 'rabbitmq-3'],
  ])('%s, without %s', async (alert, name) => {
    await isOver(alert)
    await fault.kill(name)
    await fires(alert)
    await fault.start(name)
    await isOver(alert)
  })

  it('QueueWithoutConsumers, without workers', async () => {
    // The node that was away may have had a queue that its workers only now take up again.
    await isOver('QueueWithoutConsumers')
    await scale(0)
    await fires('QueueWithoutConsumers')
    await scale(1)
    await isOver('QueueWithoutConsumers')
  })

  it('DelayLevelStuck, while the way out of a level is gone', async () => {
    await isOver('DelayLevelStuck')
    const connection = await amqpConnect(clusterUrls().broker)
    const channel = await connection.createConfirmChannel()
    const wayOut = { 'x-match': 'all', [delayHeader(0)]: PASSES }
    const [level, next] = [delayLevel(1), delayLevel(0)]
    try {
      // From level 0 on, what need not wait there goes nowhere.
      await channel.unbindExchange(DELAY_DUE, next, '', wayOut)
      const headers = delayHeaders(2, 1)
      channel.publish(level, 'payment.nobody.waits', Buffer.from('[]'), { persistent: true, headers })
      await channel.waitForConfirms()
      await fires('DelayLevelStuck')
    } finally {
      await channel.bindExchange(DELAY_DUE, next, '', wayOut)
      // RabbitMQ would try it again three minutes later.
      await channel.deleteQueue(level)
      const { queues, bindings } = planLevel(1)
      for (const queue of queues) {
        await channel.assertQueue(level, { durable: true, arguments: { 'x-queue-type': 'quorum', ...queue.arguments } })
      }
      for (const { exchange, routingKey } of bindings) await channel.bindQueue(level, exchange, routingKey)
      await connection.close()
    }
    await isOver('DelayLevelStuck')
  })
})
