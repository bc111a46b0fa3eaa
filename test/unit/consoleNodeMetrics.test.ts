/** Rates from the nodes’ Prometheus endpoints, where RabbitMQ counts nothing for its management API. Texts as 4.3.6 writes them. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type BrokerFacts, readNodes, readOverview, readQueues } from '../../console/answers.js'
import { NodeMetrics } from '../../console/nodeMetrics.js'
import { assemble, type Snapshot } from '../../console/snapshot.js'

const QUEUES = ['payment.invoice.create.shop', 'payment.dlq']
/** What a node says; undefined: it does not answer. */
type Text = string | undefined
let texts: Text[]
let closers: (() => void)[]
beforeEach(() => {
  texts = []
  closers = []
})
afterEach(() => {
  for (const close of closers) close()
})

/** `[published, delivered, acknowledged]` of each queue, and its consumers. */
function counted(...queues: readonly (readonly [number, number, number, number])[]): string {
  const lines = ['# TYPE rabbitmq_detailed_queue_messages_acked_total counter']
  for (const [at, [published, delivered, acked, consumers]] of queues.entries()) {
    const labels = `vhost="/",queue="${QUEUES[at]}"`
    lines.push(
      `rabbitmq_detailed_queue_consumers{${labels}} ${consumers}`,
      `rabbitmq_detailed_queue_exchange_messages_published_total{vhost="/",exchange="a",queue="${QUEUES[at]}"} ${published}`,
      `rabbitmq_detailed_queue_messages_delivered_ack_total{${labels}} ${delivered}`,
      `rabbitmq_detailed_queue_messages_acked_total{${labels}} ${acked}`,
    )
  }
  return lines.join('\n')
}

async function metrics(nodes: number): Promise<NodeMetrics> {
  const addresses = Array.from({ length: nodes }, async (_, node) => {
    const server = createServer(({ url }, response) => {
      const text = url?.startsWith('/metrics/detailed?') ? texts[node] : undefined
      response.writeHead(text === undefined ? 503 : 200).end(text)
    })
    closers.push(() => server.close())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  return new NodeMetrics(await Promise.all(addresses))
}

/** As the management API answers with `management_agent.disable_metrics_collector`, asked for totals. */
const facts = (nodes = 1): BrokerFacts => ({
  overview: readOverview({ cluster_name: 'x', rabbitmq_version: '4.3.6', disable_stats: true }),
  nodes: readNodes(Array.from({ length: nodes }, (_, at) => ({ name: `n${at}@x`, running: true }))),
  queues: readQueues({
    items: QUEUES.map((name) => ({ name, vhost: '/', type: 'quorum', messages_ready: 5, messages_unacknowledged: 2 })),
    total_count: QUEUES.length,
  }),
  exchanges: [{ name: 'payment.commands', vhost: '/' }],
  bindings: [
    { source: 'payment.commands', vhost: '/', destination: 'payment.invoice.create.shop', destination_type: 'queue' },
    { source: 'payment.dlx', vhost: '/', destination: 'payment.dlq', destination_type: 'queue' },
  ],
})
const see = (broker: BrokerFacts): Snapshot =>
  assemble({
    ...{
      at: 0,
      broker,
      brokerProblem: undefined,
      launcher: undefined,
      workers: [],
      storeState: undefined,
      latency: [],
    },
  })
const ratesOf = (snapshot: Snapshot) =>
  snapshot.queues.map(({ published, delivered, acknowledged }) => [published, delivered, acknowledged])
const UNKNOWN = [undefined, undefined, undefined]

it('Without these endpoints, messages are counted and rates are unknown: not 0', () => {
  const snapshot = see(facts())
  expect(ratesOf(snapshot)).toEqual([UNKNOWN, UNKNOWN])
  expect([snapshot.queues[0]?.ready, snapshot.rates, snapshot.exchanges[0]?.published]).toEqual([5, {}, undefined])
})

it('Rates are what all nodes counted over the last looks, and need two of them', async () => {
  const from = await metrics(2)
  texts = [counted([100, 10, 10, 3], [1, 0, 0, 0]), counted([50, 50, 50, 0])]
  const first = see(await from.complete(facts(2), 0))
  expect(ratesOf(first)).toEqual([UNKNOWN, UNKNOWN])
  expect([first.metricsProblem, first.queues.map(({ consumers }) => consumers)]).toEqual([undefined, [3, 0]])
  texts = [counted([150, 60, 40, 3], [6, 0, 0, 0]), counted([100, 100, 90, 0])]
  const second = see(await from.complete(facts(2), 5_000))
  expect(ratesOf(second)).toEqual([
    [20, 20, 14],
    [1, 0, 0],
  ])
  expect(second.rates).toEqual({ published: 21, delivered: 20, acknowledged: 14, redelivered: 0, deadLettered: 1 })
  expect([second.ready, second.queues[0]?.publishedTotal]).toEqual([5, 250])
  // Between two looks the last rates stand.
  expect(ratesOf(see(await from.complete(facts(2), 6_000)))).toEqual(ratesOf(second))
})

it('A node that began again counts from 0, and what it counted before is not taken away', async () => {
  const from = await metrics(1)
  texts = [counted([1_000, 1_000, 1_000, 1])]
  await from.complete(facts(), 0)
  texts = [counted([50, 10, 5, 1])]
  expect(ratesOf(see(await from.complete(facts(), 5_000)))[0]).toEqual([10, 2, 1])
})

it('While a running node does not answer, rates are unknown, and the page says why', async () => {
  const from = await metrics(2)
  texts = [counted([0, 0, 0, 1]), counted([0, 0, 0, 0])]
  await from.complete(facts(2), 0)
  texts = [counted([10, 0, 0, 1]), undefined]
  const snapshot = see(await from.complete(facts(2), 5_000))
  expect(ratesOf(snapshot)).toEqual([UNKNOWN, UNKNOWN])
  expect(snapshot.rates).toEqual({})
  expect(snapshot.metricsProblem).toMatch(/^http:\/\/127\.0\.0\.1:\d+: it answered 503$/)
  // One that is known to be down counts nothing.
  const { nodes, ...rest } = facts(2)
  const down = { ...rest, nodes: nodes.map((node, at) => ({ ...node, running: at === 0 })) }
  expect(ratesOf(see(await from.complete(down, 6_000)))[0]).toEqual([2, 0, 0])
})

it('An address of one node of three is not enough, and neither is a RabbitMQ that counts less', async () => {
  const one = await metrics(1)
  texts = [counted([0, 0, 0, 1])]
  expect((await one.complete(facts(3), 0)).metricsProblem).toBe('1 metrics addresses are set for 3 running nodes')
  texts = ['rabbitmq_detailed_queue_consumers{vhost="/",queue="q"} 1']
  expect((await one.complete(facts(), 5_000)).metricsProblem).toMatch(
    /: it does not count messages of queues: RabbitMQ 4.0/,
  )
})
