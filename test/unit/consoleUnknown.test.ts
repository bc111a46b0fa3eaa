/** What the management API does not say is unknown on the page: never 0, never red, and never a piece of news. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type BrokerFacts,
  readBindings,
  readConnections,
  readConsumers,
  readExchanges,
  readNodes,
  readOverview,
  readQueues,
} from '../../console/answers.js'
import { compare, moves, remember } from '../../console/happenings.js'
import { rowOf } from '../../console/history.js'
import { assemble, type Snapshot } from '../../console/snapshot.js'
import { WorkerWatch, workersOf } from '../../console/workerWatch.js'
import { planDelays } from '../../src/index.js'

const TASK = 'payment.invoice.create.shop'
const QUEUE = { vhost: '/', type: 'quorum', state: 'running', leader: 'a@x', members: ['a@x'], online: ['a@x'] }
const counts = (ready: number, held = 0) => ({ messages_ready: ready, messages_unacknowledged: held, consumers: 1 })
const bind = (source: string, destination: string) => ({
  ...{ source, destination, vhost: '/', destination_type: 'queue' },
})
const WORK = { name: TASK, ...QUEUE, arguments: { 'x-dead-letter-exchange': 'payment.dlx' } }
const DEAD = { name: 'payment.dlq', ...QUEUE }
const BINDINGS = [bind('payment.commands', TASK), bind('payment.dlx', 'payment.dlq')]

interface Answers {
  readonly queues: unknown
  readonly overview?: unknown
  readonly nodes?: unknown
  readonly bindings?: unknown
}

function facts({ queues, overview = {}, nodes = [{ name: 'a@x', running: true }], bindings = BINDINGS }: Answers) {
  const exchanges = ['payment.commands', 'payment.dlx'].map((name) => ({ name, vhost: '/' }))
  return {
    ...{ overview: readOverview(overview), nodes: readNodes(nodes), queues: readQueues(queues) },
    ...{ exchanges: readExchanges(exchanges), bindings: readBindings(bindings) },
  }
}

const snapshot = (broker: BrokerFacts | undefined, brokerProblem?: string): Snapshot =>
  assemble({ at: 0, broker, brokerProblem, launcher: undefined, workers: [], storeState: undefined, latency: [] })
const see = (...queues: object[]): Snapshot =>
  snapshot(facts({ queues: { items: queues, total_count: queues.length } }))
const texts = (before: Snapshot, after: Snapshot): string[] => compare(before, after).map(({ text }) => text)

describe('A queue of which RabbitMQ says only that it is there', () => {
  it('has no counts, no rates and an unknown state', () => {
    const [queue] = see({ name: TASK, vhost: '/' }).queues
    expect(queue).toEqual({ name: TASK, vhost: '/', type: 'classic', role: 'task', state: 'unknown' })
  })
  it('that is counted and never had a message has rates of 0: RabbitMQ leaves out what never happened', () => {
    expect(see({ ...WORK, ...counts(0) }).queues[0]).toMatchObject({ ready: 0, published: 0, delivered: 0 })
  })
})

it('Before RabbitMQ answers, and while it does not, nothing is counted', () => {
  for (const { ready, rates, queues } of [snapshot(undefined), snapshot(facts({ queues: [WORK] }), 'refused')]) {
    expect([ready, rates]).toEqual([undefined, {}])
    for (const queue of queues) expect([queue.state, queue.ready]).toEqual(['unknown', undefined])
  }
  const silent = snapshot(facts({ queues: [{ ...WORK, ...counts(7) }], overview: totals(7, 0) }), 'refused')
  expect(silent.nodes.map(({ state }) => state)).toEqual(['unknown'])
  expect(rowOf(silent).slice(1)).toEqual(Array(9).fill(null))
})

function totals(ready: number, held: number, rate?: number): object {
  const details = { rate }
  return {
    queue_totals: { messages_ready: ready, messages_unacknowledged: held },
    message_stats:
      rate === undefined ? {} : { deliver_get_details: details, ack_details: details, publish_details: details },
  }
}

it('Looking at dead letters is no work: neither delivered, nor held, nor waiting, nor news', () => {
  const look = (ready: number, held: number, rate: number) =>
    snapshot(
      facts({
        queues: [
          { ...WORK, ...counts(3, 1), message_stats: { deliver_get_details: { rate: 5 } } },
          { ...DEAD, ...counts(ready, held), message_stats: { deliver_get_details: { rate } } },
        ],
        overview: totals(3 + ready, 1 + held, 5 + rate),
      }),
    )
  const [before, during, after] = [look(300, 0, 0), look(0, 300, 120), look(300, 0, 60)]
  for (const seen of [before, during, after]) {
    expect([seen.rates.delivered, seen.ready, seen.unacknowledged]).toEqual([5, 3, 1])
  }
  expect([...texts(before, during), ...texts(during, after)]).toEqual([])
  expect(texts(before, look(302, 0, 0))).toEqual(['2 more dead letters in payment.dlq'])
  // Without a launcher a worker is a connection that takes tasks; who looks at dead letters is none.
  const consumers = readConsumers(
    [TASK, 'payment.dlq', 'foreign'].map((name) => ({
      queue: { name },
      channel_details: { connection_name: `of ${name}` },
    })),
  )
  const connections = readConnections([
    { name: `of ${TASK}`, user_provided_name: 'shop (consume)' },
    { name: 'of payment.dlq', user_provided_name: 'warren console (consume)' },
    { name: 'of foreign', user_provided_name: 'celery' },
  ])
  expect(workersOf(consumers, connections, new Set(['payment.dlq'])).map(({ name }) => name)).toEqual(['shop'])
})

it('Workers of one name are told apart', () => {
  const consumers = readConsumers(
    ['1', '2'].map((port) => ({ queue: { name: TASK }, channel_details: { connection_name: `h:${port} -> b:5672` } })),
  )
  const connections = readConnections(
    ['1', '2'].map((port) => ({ name: `h:${port} -> b:5672`, user_provided_name: 'warren (consume)' })),
  )
  expect(workersOf(consumers, connections, new Set()).map(({ name }) => name)).toEqual(['warren h:1', 'warren h:2'])
})

describe('The feed', () => {
  const other = { ...DEAD, ...counts(0) }
  const steps = (...looks: Snapshot[]): string[] => {
    let before: Snapshot | undefined
    return looks.flatMap((now) => {
      const said = before === undefined ? [] : texts(before, now)
      before = remember(before, now)
      return said
    })
  }
  const up = see(other, { ...WORK, ...counts(0) })
  const unknown = see(other, { ...WORK, state: undefined })
  const down = see(other, { ...WORK, state: 'down' })

  it('says of a new queue that it was declared, and not that it can be reached again', () => {
    expect(steps(see(other), unknown, up)).toEqual([`${TASK} was declared, a quorum queue`])
  })
  it('says nothing of a queue that is unknown for a look', () => {
    expect(steps(up, unknown, up)).toEqual([])
    expect(steps(up, see(other, { ...WORK, ...counts(0), state: 'flow' }), up)).toEqual([])
  })
  it('says once that a queue is back, also when it was unknown between', () => {
    expect(steps(up, down, unknown, unknown, up)).toEqual([`${TASK} can be reached again, on a`])
  })
  it('says what RabbitMQ’s silence hid', () => {
    const silent = snapshot(facts({ queues: [other, WORK] }), 'refused')
    expect(steps(up, silent, up)).toEqual([
      'No node of RabbitMQ answers the console: refused',
      'RabbitMQ answers the console again',
    ])
    const lost = see(other, { ...WORK, ...counts(0), consumers: 0 })
    expect(steps(up, silent, lost)).toContain(`${TASK} has no consumers any more`)
  })
  it('does not take a queue that moved up into the list for a new one', () => {
    const some = { ...see(other), queuesInAll: 300 }
    expect(steps(some, { ...up, queuesInAll: 299 })).toEqual([])
  })
})

describe('Delay levels', () => {
  const queues = planDelays().queues.map(({ name, type, arguments: given }) => ({
    ...{ ...QUEUE, name, type, arguments: given, ...counts(1) },
  }))
  const bindings = [
    ...BINDINGS,
    bind('warren.delay.due', TASK),
    bind('warren.delay.unroutable', 'warren.delay.unroutable'),
  ]
  const seen = snapshot(facts({ queues: [{ ...WORK, ...counts(0) }, DEAD, ...queues], bindings }))
  const role = (name: string) => seen.queues.find((queue) => queue.name === name)?.role

  it('are told from task queues and dead letters, though they hand messages on by dead-lettering', () => {
    expect(seen.queues.filter((queue) => queue.role === 'delay')).toHaveLength(24)
    expect([role(TASK), role('payment.dlq'), role('warren.delay.unroutable')]).toEqual(['task', 'deadLetters', 'other'])
  })
  it('say nothing in the feed one by one', () => {
    const moved = seen.queues.map((queue) => ({ ...queue, leader: 'b' }))
    expect(moves(seen.queues, moved).map(({ queue }) => queue)).toEqual([
      TASK,
      'payment.dlq',
      'warren.delay.unroutable',
    ])
  })
})

it('Dead letters of a domain whose services are gone are dead letters', () => {
  expect(see({ ...DEAD, ...counts(3) }).queues[0]?.role).toBe('deadLetters')
})

it('A service’s queue is never taken for dead letters, which may be emptied from the page', () => {
  // A waiting queue of somebody's own hands its messages back to the commands by dead-lettering.
  const waiting = { name: 'later', ...QUEUE, arguments: { 'x-dead-letter-exchange': 'payment.commands' } }
  expect(see(WORK, DEAD, waiting).queues.map(({ role }) => role)).toEqual(['task', 'deadLetters', 'other'])
})

describe('Odd answers', () => {
  it.each<[string, { running?: number; queue?: string }]>([
    ['{"ready":"yes","running":"3","held":null,"queues":{"a":1},"store":7}', {}],
    ['{"running":1,"queues":[null,7,{"queue":1},{"queue":"q","state":"consuming"}]}', { running: 1, queue: 'q' }],
    ['[]', {}],
    ['<html>', {}],
  ])('of what listens on a worker’s port, as %s, say no more than they say', async (text, { running, queue }) => {
    const server = createServer((_, response) => response.end(text))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const process = { name: 'w', kind: 'worker', state: 'running', ports: [port], since: '', restarts: 0 }
    const watch = new WorkerWatch()
    await watch.look([process])
    server.closeAllConnections()
    server.close()
    const [view] = watch.views([process])
    const queues = queue === undefined ? [] : [{ queue, state: 'consuming' }]
    expect([view?.running, view?.ready, view?.queues]).toEqual([running, undefined, queues])
  })
  it('of RabbitMQ’s own: words for numbers, lists for objects, nothing at all', () => {
    const [node] = readNodes([{ name: 'a@x', running: true, mem_limit: 'memory_monitoring_disabled', mem_used: null }])
    expect(node).toEqual({ name: 'a@x', running: true })
    const [queue] = readQueues([
      { name: 'q', vhost: '/', effective_policy_definition: [], message_stats: [], members: '' },
    ]).items
    expect(queue).toMatchObject({ name: 'q', effective_policy_definition: {} })
    expect(readOverview({ queue_totals: [], message_stats: 'x' })).toEqual({ queue_totals: {} })
  })
  it('that are no answer of RabbitMQ’s are refused as such', () => {
    for (const answer of [null, 'Not found', {}, 7]) {
      expect(() => readNodes(answer)).toThrow('management API')
      expect(() => readQueues(answer)).toThrow('management API')
    }
    expect(() => readOverview([])).toThrow('management API')
  })
  it('of any shape make a snapshot, or a refusal in a sentence', () => {
    fc.assert(
      fc.property(fc.array(fc.object()), fc.object(), fc.array(fc.jsonValue()), (queues, overview, nodes) => {
        const named = queues.map((each, index) => ({ ...each, name: `q${index}`, vhost: '/' }))
        const { ready } = snapshot(facts({ queues: named, overview, nodes }))
        expect(['undefined', 'number']).toContain(typeof ready)
      }),
      { numRuns: 50 },
    )
  })
})
