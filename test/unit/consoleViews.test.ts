/** How the console makes a picture of what RabbitMQ, the launcher and the workers say; and that all it keeps is bounded. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { History } from '../../console/history.js'
import { overviewOf } from '../../console/overview.js'
import { QueueAges } from '../../console/queueAge.js'
import type { QueueView } from '../../console/queueViews.js'
import { assemble, nodeNamer, type Snapshot, type Sources } from '../../console/snapshot.js'
import { excerpt, jsonExcerpt } from '../../console/text.js'
import { troublesOf } from '../../console/troubles.js'
import { Viewer } from '../../console/viewer.js'
import { Latency, parseMetrics, percentile, total } from '../../console/workerMetrics.js'

const SOURCES: Sources = {
  at: 1_000,
  broker: {
    overview: { cluster_name: 'warren', rabbitmq_version: '3.10.8' },
    nodes: [
      { name: 'rabbitmq-1@localhost', running: true },
      { name: 'rabbitmq-3@localhost', running: false },
    ],
    queues: {
      total_count: 3,
      items: [
        {
          ...{ name: 'user.account.create.demo-service', vhost: '/', type: 'classic', node: 'rabbitmq-3@localhost' },
          ...{ state: 'down', effective_policy_definition: { 'dead-letter-exchange': 'user.dlx' } },
        },
        {
          ...{ name: 'user.dlq', vhost: '/', type: 'quorum', leader: 'rabbitmq-1@localhost', state: 'running' },
          ...{ members: ['rabbitmq-1@localhost', 'rabbitmq-3@localhost'], online: ['rabbitmq-1@localhost'] },
          effective_policy_definition: {},
        },
        {
          ...{ name: 'user.account.create.demo-service.retry.500', vhost: '/', type: 'classic', state: 'running' },
          ...{ node: 'rabbitmq-1@localhost', arguments: { 'x-dead-letter-exchange': '' } },
        },
      ],
    },
    exchanges: [
      { name: 'user.commands', vhost: '/' },
      { name: 'user.dlx', vhost: '/' },
      { name: 'amq.direct', vhost: '/' },
    ],
    bindings: [
      {
        ...{ source: 'user.commands', vhost: '/', destination: 'user.account.create.demo-service' },
        ...{ destination_type: 'queue' },
      },
      { source: 'user.dlx', vhost: '/', destination: 'user.dlq', destination_type: 'queue' },
    ],
  },
  brokerProblem: undefined,
  launcher: undefined,
  workers: [],
  storeState: 'available',
  latency: [],
}

describe('A snapshot', () => {
  it('tells task queues, delay queues and dead letters apart, and where each is', () => {
    const { queues, exchanges, nodes } = assemble(SOURCES)
    expect(queues.map(({ name, role, leader, state }) => [name, role, leader, state])).toEqual([
      ['user.account.create.demo-service', 'task', 'rabbitmq-3', 'down'],
      ['user.dlq', 'deadLetters', 'rabbitmq-1', 'running'],
      ['user.account.create.demo-service.retry.500', 'retry', 'rabbitmq-1', 'running'],
    ])
    expect(exchanges.map(({ name, role, queues: bound }) => [name, role, bound])).toEqual([
      ['user.commands', 'commands', ['user.account.create.demo-service']],
      ['user.dlx', 'deadLetters', ['user.dlq']],
    ])
    expect(nodes.map(({ name, state }) => [name, state])).toEqual([
      ['rabbitmq-1', 'up'],
      ['rabbitmq-3', 'down'],
    ])
  })

  it('believes the launcher about its processes: a node that is frozen still counts as running for RabbitMQ', () => {
    const process = (name: string, state: string, detail?: string) => ({
      ...{ name, kind: 'rabbitmq', state, ports: [], since: '', restarts: 0 },
      ...(detail === undefined ? {} : { detail }),
    })
    const { nodes } = assemble({
      ...SOURCES,
      launcher: {
        state: 'running',
        addresses: { edge: '' },
        processes: [process('rabbitmq-1', 'frozen'), process('rabbitmq-3', 'stopped', 'was ended by SIGKILL')],
      },
    })
    expect(nodes.map(({ state, why, controlled }) => [state, why, controlled])).toEqual([
      ['frozen', undefined, true],
      ['down', 'killed', true],
    ])
  })

  it('has the servers of a store with a replica one by one, and the store as its users see it', () => {
    const process = (name: string, kind: string, state: string) => ({
      name,
      kind,
      state,
      ports: [],
      since: '',
      restarts: 0,
    })
    const see = (...processes: ReturnType<typeof process>[]) =>
      assemble({ ...SOURCES, launcher: { state: 'running', addresses: { edge: '' }, processes } })
    const alone = see(process('valkey', 'store', 'exited'))
    expect([alone.store, alone.stores]).toEqual([{ name: 'valkey', state: 'exited', controlled: true }, undefined])
    const servers = [process('valkey', 'store', 'exited'), process('valkey-replica', 'store', 'running')]
    const two = see(...servers, process('sentinel-1', 'sentinel', 'running'))
    expect(two.store).toEqual({ name: 'result store', state: 'available', controlled: false })
    expect(two.stores).toEqual(servers.map(({ name, state }) => ({ name, state, controlled: true })))
    const moment = { ...two, ages: {} }
    expect(troublesOf(moment, undefined).map(({ text }) => text)).toContain(
      'valkey is exited: the result store has no replica',
    )
    expect(overviewOf(moment, '/', undefined).stores).toEqual(two.stores)
  })

  it('is there without RabbitMQ, too', () => {
    const { nodes, queues, problem } = assemble({ ...SOURCES, broker: undefined, brokerProblem: 'refused' })
    expect([nodes, queues, problem]).toEqual([[], [], 'refused'])
  })

  it('shortens the names of nodes unless two would be one', () => {
    expect(nodeNamer(['rabbit@a', 'rabbit@b'])('rabbit@a')).toBe('rabbit@a')
    expect(nodeNamer(['one@a', 'two@a'])('one@a')).toBe('one')
  })
})

describe('Metrics of workers', () => {
  const text = `# HELP warren_attempts_total x
warren_attempts_total{task="a",queue="q",outcome="succeeded"} 40
warren_attempts_total{task="od\\"d\\n",queue="q",outcome="failed"} 2
process_cpu_seconds_total 3
warren_attempt_duration_seconds_bucket{le="0.1",task="a"} 50
warren_attempt_duration_seconds_bucket{le="0.25",task="a"} 90
warren_attempt_duration_seconds_bucket{le="+Inf",task="a"} 100
`
  it('are read with the odd names that tasks may have', () => {
    const samples = parseMetrics(text)
    expect(total(samples, 'warren_attempts_total')).toBe(42)
    expect(samples[1]?.labels.task).toBe('od"d\n')
  })
  it('give percentiles of what ended since the last look, and of a new process from its beginning', () => {
    const latency = new Latency()
    const scrape = (count: number) =>
      parseMetrics(
        `warren_attempt_duration_seconds_bucket{le="0.1",task="a"} ${count}\nwarren_attempt_duration_seconds_bucket{le="+Inf",task="a"} ${count}\n`,
      )
    latency.add(0, 'worker-1', scrape(1_000))
    expect(latency.views(0)).toEqual([])
    latency.add(1_000, 'worker-1', scrape(1_010))
    expect(latency.views(1_000)).toMatchObject([{ task: 'a', count: 10, p50: 50 }])
    latency.add(2_000, 'worker-1', scrape(5))
    expect(latency.views(2_000)).toMatchObject([{ count: 15 }])
    expect(latency.views(60_000)).toEqual([])
  })
  it('have percentiles that lie in the bucket where they fall, and grow with their share', () => {
    const counts = new Map([
      [0.1, 50],
      [0.25, 90],
      [Number.POSITIVE_INFINITY, 100],
    ])
    expect(percentile(counts, 0.5)).toBe(100)
    expect(percentile(counts, 0.9)).toBe(250)
    // Beyond the last bound nobody knows: its value is the least that it can be.
    expect(percentile(counts, 0.99)).toBe(250)
    fc.assert(
      fc.property(fc.float({ min: 0, max: 1, noNaN: true }), fc.float({ min: 0, max: 1, noNaN: true }), (a, b) => {
        expect(percentile(counts, Math.min(a, b))).toBeLessThanOrEqual(percentile(counts, Math.max(a, b)))
      }),
    )
  })
})

describe('The oldest message of a queue', () => {
  const queue = (publishedTotal: number, ready: number, oldestAt?: number): QueueView => ({
    ...{ name: 'q', vhost: '/', type: 'quorum', role: 'task', state: 'running', members: [], online: [], consumers: 0 },
    ...{ unacknowledged: 0, published: 0, delivered: 0, acknowledged: 0, ready, publishedTotal },
    ...(oldestAt === undefined ? {} : { oldestAt }),
  })
  it('is as old as the moment when the Nth last was published, with N waiting', () => {
    const ages = new QueueAges()
    ages.look(0, [queue(0, 0)])
    ages.look(1_000, [queue(10, 0)])
    ages.look(2_000, [queue(20, 10)])
    expect(ages.look(9_000, [queue(30, 15)])).toEqual({ '/\nq': { ms: 7_000, how: 'reckoned' } })
  })
  it('is at least as old as what is known when it was there before', () => {
    const ages = new QueueAges()
    ages.look(0, [queue(100, 50)])
    expect(ages.look(4_000, [queue(100, 50)])).toEqual({ '/\nq': { ms: 4_000, how: 'atLeast' } })
  })
  it('is what its own timestamp says, where RabbitMQ tells it; and there is none in an empty queue', () => {
    const ages = new QueueAges()
    expect(ages.look(9_000, [queue(1, 1, 5_000)])).toEqual({ '/\nq': { ms: 4_000, how: 'exact' } })
    expect(ages.look(9_000, [queue(1, 0)])).toEqual({})
  })
})

describe('What is kept is bounded', () => {
  it('the numbers behind the charts are those of an hour', () => {
    const history = new History(2_000)
    const at = (seconds: number): Snapshot => ({ ...assemble(SOURCES), at: seconds * 1_000 })
    for (let second = 0; second < 3 * 3_600; second++) history.add(at(second))
    expect(history.rows.length).toBe(1_800)
    expect(history.rows.at(-1)?.[0]).toBeGreaterThan(3 * 3_600 - 3)
  })
  it('a page that takes nothing is cut off, and of the moments it gets the last one', async () => {
    const viewer = new Viewer()
    for (let index = 0; index < 10_000; index++) viewer.push({ event: 'moment', data: String(index) })
    expect(await viewer.take()).toEqual([{ event: 'moment', data: '9999' }])
    for (let index = 0; index < 10_000; index++) viewer.push({ event: 'happening', data: '' })
    expect(viewer.over).toBe(true)
    expect(await viewer.take()).toEqual([])
  })
  it('text of strangers is cut, and what JSON cannot carry is shown all the same', () => {
    expect(excerpt('x'.repeat(100), 10)).toEqual({ text: 'xxxxxxxxxx', of: 100 })
    expect(jsonExcerpt(undefined, 10)).toEqual({ text: 'undefined' })
    expect(jsonExcerpt(10n, 10)).toEqual({ text: '10' })
  })
})
