/** The feed says in plain words what changed. */
import { describe, expect, it } from 'vitest'
import { compare, moveSentence, moves } from '../../console/happenings.js'
import type { QueueView } from '../../console/queueViews.js'
import type { NodeView, Snapshot, WorkerView } from '../../console/snapshot.js'

const node = (name: string, change: Partial<NodeView> = {}): NodeView => ({
  ...{ name, state: 'up', controlled: true, alarms: [], partitions: [], front: 'UP' },
  ...change,
})

const queue = (name: string, change: Partial<QueueView> = {}): QueueView => ({
  ...{ name, vhost: '/', type: 'quorum', role: 'task', state: 'running', leader: 'rabbitmq-1' },
  ...{ members: ['rabbitmq-1', 'rabbitmq-2', 'rabbitmq-3'], online: [], ready: 0, unacknowledged: 0, consumers: 5 },
  ...{ published: 0, delivered: 0, acknowledged: 0 },
  ...change,
})

const worker = (name: string, state = 'running', detail?: string): WorkerView => ({
  ...{ name, state, controlled: true, queues: [] },
  ...(detail === undefined ? {} : { detail }),
})

const classic = queue('user.account.create.demo-service', {
  type: 'classic',
  leader: 'rabbitmq-3',
  members: ['rabbitmq-3'],
})

const snapshot = (change: Partial<Snapshot> = {}): Snapshot => ({
  ...{ at: 0, cluster: 'warren', version: '3.10.8', exchanges: [], latency: [] },
  nodes: ['rabbitmq-1', 'rabbitmq-2', 'rabbitmq-3'].map((name) => node(name)),
  queues: [classic, queue('payment.invoice.create.demo-service')],
  workers: [worker('worker-1'), worker('worker-2')],
  rates: { published: 0, delivered: 0, acknowledged: 0, redelivered: 0, deadLettered: 0 },
  ...{ ready: 0, unacknowledged: 0, connections: 0 },
  ...change,
})

const said = (before: Partial<Snapshot>, after: Partial<Snapshot>): string[] =>
  compare(snapshot(before), snapshot(after)).map(({ text }) => text)

const nodes = (change: Partial<NodeView>): NodeView[] => [
  node('rabbitmq-1'),
  node('rabbitmq-2'),
  node('rabbitmq-3', change),
]

it('A server of a store with a replica is named as it goes and comes back', () => {
  const stores = (state: string) => ({
    store: { name: 'result store', state: 'available', controlled: false },
    stores: [
      { name: 'valkey', state, controlled: true },
      { name: 'valkey-replica', state: 'running', controlled: true },
    ],
  })
  expect(said(stores('running'), stores('exited'))).toEqual([
    'valkey is exited; the other server of the result store is all there is',
  ])
  expect(said(stores('exited'), stores('running'))).toEqual(['valkey is back'])
})

describe('A node', () => {
  it('that goes down is named, with what lived only there', () => {
    expect(said({}, { nodes: nodes({ state: 'down', why: 'killed' }) })).toEqual([
      'rabbitmq-3 went down (killed); user.account.create.demo-service existed only there, and waits until it is back',
    ])
  })
  it('that holds nothing alone is named alone', () => {
    const fine = { queues: [queue('payment.invoice.create.demo-service')] }
    expect(said(fine, { ...fine, nodes: nodes({ state: 'down' }) })).toEqual(['rabbitmq-3 went down'])
  })
  it('that freezes, starts and comes back is told at each step', () => {
    expect(said({}, { nodes: nodes({ state: 'frozen' }) })[0]).toMatch(/^rabbitmq-3 is frozen: .*existed only there/)
    const down = { nodes: nodes({ state: 'down' }) }
    expect(said(down, { nodes: nodes({ state: 'starting' }) })).toEqual(['rabbitmq-3 is starting'])
    expect(said({ nodes: nodes({ state: 'starting' }) }, {})).toEqual(['rabbitmq-3 is back'])
  })
  it('with an alarm, or cut off from others, is told', () => {
    expect(said({}, { nodes: nodes({ alarms: ['memory'] }) })[0]).toContain('rabbitmq-3 has a memory alarm')
    expect(said({}, { nodes: nodes({ partitions: ['rabbitmq-1', 'rabbitmq-2'] }) })).toEqual([
      'rabbitmq-3 is cut off from rabbitmq-1 and rabbitmq-2',
    ])
  })
})

describe('A queue', () => {
  it('that can be reached again is told', () => {
    const lost = { queues: [{ ...classic, state: 'down' }] }
    expect(said(lost, { queues: [classic] })).toEqual([
      'user.account.create.demo-service can be reached again, on rabbitmq-3',
    ])
  })
  it('that gets dead letters, or loses its last consumer, is told', () => {
    const dead = (ready: number) => ({ queues: [queue('payment.dlq', { role: 'deadLetters', ready, consumers: 0 })] })
    expect(said(dead(1), dead(13))).toEqual(['12 more dead letters in payment.dlq'])
    expect(said(dead(13), dead(1))).toEqual([])
    // While its leader is gone nobody counts them; that they are counted again makes them no new ones.
    const gone = { queues: [queue('payment.dlq', { role: 'deadLetters', ready: undefined as never, consumers: 0 })] }
    expect(said(gone, dead(13))).toEqual([])
    const consumed = (consumers: number) => ({ queues: [{ ...classic, consumers }] })
    expect(said(consumed(5), consumed(0))).toEqual(['user.account.create.demo-service has no consumers any more'])
  })
  it('whose leader moves says where, and in what time when that was measured', () => {
    const moved = [classic, queue('payment.invoice.create.demo-service', { leader: 'rabbitmq-2' })]
    const [move] = moves(snapshot().queues, moved)
    expect(move && moveSentence(move).text).toBe(
      'payment.invoice.create.demo-service moved its leader from rabbitmq-1 to rabbitmq-2',
    )
    expect(move && moveSentence(move, 214).text).toBe(
      'payment.invoice.create.demo-service moved its leader to rabbitmq-2 in 0.2 s',
    )
  })
})

describe('Workers', () => {
  it('that come or go are one sentence', () => {
    const ten = Array.from({ length: 10 }, (_, index) => worker(`worker-${index + 1}`))
    expect(said({}, { workers: ten })).toEqual([
      '10 workers now: worker-3, worker-4, worker-5, worker-6 and 4 more came',
    ])
    expect(said({ workers: ten }, {})[0]).toMatch(/^2 workers now: .* went$/)
  })
  it('that end by themselves say why', () => {
    const after = { workers: [worker('worker-1'), worker('worker-2', 'restarting', 'was ended by SIGKILL\n  log')] }
    expect(said({}, after)).toEqual([
      'worker-2 ended by itself: was ended by SIGKILL; its messages go to other workers',
    ])
  })
})

it('RabbitMQ that answers nobody is told once, and when it is back', () => {
  expect(said({}, { problem: 'refused' })).toEqual(['No node of RabbitMQ answers the console: refused'])
  expect(said({ problem: 'refused' }, { problem: 'refused' })).toEqual([])
  expect(said({ problem: 'refused' }, {})).toEqual(['RabbitMQ answers the console again'])
})

it('What does not change is no news', () => {
  expect(said({}, {})).toEqual([])
})
