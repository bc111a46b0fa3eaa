/** What a worker's metrics say, in registries of all kinds, and that they leave nothing behind. */
import { EventEmitter } from 'node:events'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import type { WarrenEvents, WorkerEvents } from '../../src/observe/events.js'
import type { ObservedWorker, WorkerHealth } from '../../src/observe/health.js'
import { workerMetrics } from '../../src/observe/metrics.js'
import { type ObservedWarren, producerMetrics, type Sending } from '../../src/observe/producerMetrics.js'
import { serveWorker } from '../../src/observe/workerServer.js'

class FakeWorker extends EventEmitter<WorkerEvents> implements ObservedWorker {
  readonly service: string
  #health: WorkerHealth
  constructor(service: string, health: Partial<WorkerHealth> = {}) {
    super()
    this.service = service
    this.#health = {
      ready: true,
      state: 'running',
      queues: [{ queue: `a.b.${service}`, state: 'consuming' }],
      connections: { consume: 'open', publish: 'open' },
      store: 'none',
      running: 1,
      held: 2,
      ...health,
    } as WorkerHealth
  }
  health(): WorkerHealth {
    return this.#health
  }
  finish(task: string): void {
    const attempt = { id: 'i', task, queue: `a.b.${this.service}`, number: 1, outcome: 'succeeded' } as const
    this.emit('attemptFinished', { ...attempt, durationMs: 5 })
    this.emit('attemptSettled', { ...attempt, settled: 'acknowledged', settleMs: 1 })
    this.emit('deadLettered', { ...attempt, exchange: 'a.dlx', reason: 'unknown-task', error: new Error('no') })
    this.emit('settleDelayed', { ...attempt, waitingFor: 'store', error: new Error('away') })
  }
  stop(): void {
    this.#health = { ...this.#health, state: 'stopped' }
    this.emit('workerState', { state: 'stopped' })
  }
  get listening(): number {
    return this.eventNames().reduce((sum, event) => sum + this.listenerCount(event), 0)
  }
}

const warrens = (registry: Registry): string[] =>
  registry.getMetricsAsArray().flatMap(({ name }) => (name.startsWith('warren_') ? [name] : []))
const lines = async (registry: Pick<Registry, 'metrics'>, name: string): Promise<string[]> =>
  (await registry.metrics()).split('\n').filter((line) => line.startsWith(name))

describe('Registries take the metrics of a worker', () => {
  it.each<[string, (registry: Registry) => unknown]>([
    ['that are empty', () => undefined],
    ['that have the process metrics', (registry) => collectDefaultMetrics({ register: registry })],
    [
      'that have one of them',
      (registry) =>
        registry.registerMetric(new Gauge({ name: 'nodejs_heap_size_total_bytes', help: 'mine', registers: [] })),
    ],
    [
      'that have metrics of the application',
      (registry) => new Counter({ name: 'orders_total', help: 'mine', registers: [registry] }),
    ],
    ['with default labels', (registry) => registry.setDefaultLabels({ service: 'application' })],
  ])('%s', async (_what, prepare) => {
    const registry = new Registry()
    prepare(registry)
    const mine = registry.getMetricsAsArray()
    workerMetrics(new FakeWorker('s'), registry)
    expect(registry.getMetricsAsArray()).toEqual(expect.arrayContaining(mine))
    expect(registry.getSingleMetric('process_start_time_seconds')).toBeDefined()
    expect(await lines(registry, 'warren_worker_ready')).toEqual(['warren_worker_ready{service="s"} 1'])
  })

  it('also when their owner has cleared them meanwhile', async () => {
    const registry = new Registry()
    workerMetrics(new FakeWorker('s'), registry)
    registry.clear()
    workerMetrics(new FakeWorker('t'), registry)
    expect(await lines(registry, 'warren_worker_running')).toEqual(['warren_worker_running{service="t"} 1'])
  })
})

describe('Several workers in one registry', () => {
  it('are told apart by their service, and those of one service count together', async () => {
    const registry = new Registry()
    const away = { ready: false, queues: [{ queue: 'a.b.one', state: 'waiting' as const }] }
    const workers = [new FakeWorker('one'), new FakeWorker('two'), new FakeWorker('one', away)]
    for (const worker of workers) workerMetrics(worker, registry)
    for (const worker of workers) worker.finish('a.b')
    expect(await lines(registry, 'warren_worker_ready')).toEqual([
      'warren_worker_ready{service="one"} 0',
      'warren_worker_ready{service="two"} 1',
    ])
    expect(await lines(registry, 'warren_worker_held')).toEqual([
      'warren_worker_held{service="one"} 4',
      'warren_worker_held{service="two"} 2',
    ])
    expect(await lines(registry, 'warren_consumer_up')).toEqual([
      'warren_consumer_up{service="one",queue="a.b.one"} 0',
      'warren_consumer_up{service="two",queue="a.b.two"} 1',
    ])
    const paused = { queues: [{ queue: 'a.b.three', state: 'paused' as const }] }
    const apart = workerMetrics(new FakeWorker('three', paused))
    expect(await lines(apart as Registry, 'warren_consumer_up')).toEqual([
      'warren_consumer_up{service="three",queue="a.b.three"} 1',
    ])
    expect(await lines(registry, 'warren_attempts_total')).toEqual([
      'warren_attempts_total{service="one",task="a.b",queue="a.b.one",outcome="succeeded"} 2',
      'warren_attempts_total{service="two",task="a.b",queue="a.b.two",outcome="succeeded"} 1',
    ])
  })

  it('counts a worker once, however often it is added', async () => {
    const registry = new Registry()
    const worker = new FakeWorker('s')
    workerMetrics(worker, registry)
    workerMetrics(worker, registry)
    worker.finish('a.b')
    expect(await lines(registry, 'warren_settled_total')).toEqual([
      'warren_settled_total{service="s",task="a.b",queue="a.b.s",settled="acknowledged"} 1',
    ])
  })

  it('leave no gauge, no listener and in the end no metric behind when they stop', async () => {
    const registry = new Registry()
    const [one, two] = [new FakeWorker('one'), new FakeWorker('two')]
    for (const worker of [one, two]) workerMetrics(worker, registry)
    one.stop()
    expect(one.listening).toBe(0)
    expect(await lines(registry, 'warren_worker_ready')).toEqual(['warren_worker_ready{service="two"} 1'])
    two.stop()
    expect(two.listening).toBe(0)
    expect(warrens(registry)).toEqual([])
    workerMetrics(one, registry)
    expect([one.listening, warrens(registry)]).toEqual([0, []])
    workerMetrics(new FakeWorker('three'), registry)
    expect(await lines(registry, 'warren_worker_ready')).toEqual(['warren_worker_ready{service="three"} 1'])
  })
})

it('Names of tasks that the worker does not handle are one label, however many there are', async () => {
  const worker = new FakeWorker('s')
  const registry = workerMetrics(worker)
  worker.finish('a.b')
  const before = (await registry.metrics()).split('\n').length
  worker.finish('stranger.first')
  const withOne = (await registry.metrics()).split('\n').length
  for (let each = 0; each < 300; each++) worker.finish(`stranger.${each}`)
  expect((await registry.metrics()).split('\n').length).toBe(withOne)
  expect(withOne).toBeGreaterThan(before)
  expect(await lines(registry, 'warren_dead_lettered_total')).toEqual([
    'warren_dead_lettered_total{service="s",task="a.b",queue="a.b.s",reason="unknown-task"} 1',
    'warren_dead_lettered_total{service="s",task="unknown",queue="a.b.s",reason="unknown-task"} 301',
  ])
})

it.each([
  ['no worker', undefined, undefined, 'expected a worker of warren.worker(), got: undefined'],
  ['the options of one', { service: 's' }, undefined, 'expected a worker of warren.worker(), got: an object'],
  ['no registry', new FakeWorker('s'), 'prom-client', 'expected a Registry of prom-client, got: a string'],
  ['another object', new FakeWorker('s'), { metrics: () => '' }, 'expected a Registry of prom-client, got: an object'],
])('Given %s, workerMetrics says what it expected', (_what, worker, registry, problem) => {
  const refused = () => workerMetrics(worker as never, registry as never)
  expect(refused).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTIONS', message: expect.stringContaining(problem) }),
  )
})

describe('A worker also counts', () => {
  const sum = async (registry: Pick<Registry, 'metrics'>, name: string) =>
    (await lines(registry, name)).filter((line) => /_(count|sum)[{ ]/.test(line))

  it('how long its messages waited, where that is known', async () => {
    const [worker, registry] = [new FakeWorker('s'), new Registry()]
    workerMetrics(worker, registry)
    const attempt = { id: 'i', task: 'a.b', queue: 'a.b.s', number: 1, redelivered: false }
    worker.emit('attemptStarted', { ...attempt, waitedMs: 1_500 })
    worker.emit('attemptStarted', attempt)
    expect(await sum(registry, 'warren_queue_time_seconds')).toEqual([
      'warren_queue_time_seconds_sum{service="s",task="a.b"} 1.5',
      'warren_queue_time_seconds_count{service="s",task="a.b"} 1',
    ])
  })

  it('how long limits have them wait, which queues are paused, and what schedules did', async () => {
    const queues = [
      { queue: 'a.b.s', state: 'paused' },
      { queue: 'a.c.s', state: 'consuming' },
    ] as const
    const [worker, registry] = [new FakeWorker('s', { queues }), new Registry()]
    workerMetrics(worker, registry)
    const attempt = { id: 'i', task: 'a.b', queue: 'a.b.s', number: 1 }
    worker.emit('limited', { ...attempt, by: 'rate', action: 'held', waitMs: 250 })
    const tick = { service: 's', schedule: 'nightly', tick: new Date(), lateMs: -5 }
    worker.emit('tick', { ...tick, action: 'sent', id: 'i' })
    worker.emit('tick', { ...tick, action: 'skipped', reason: 'overlap' })
    worker.emit('tick', { ...tick, action: 'failed', reason: 'anything that an error says' })
    expect(await lines(registry, 'warren_limit_wait_seconds_sum')).toEqual([
      'warren_limit_wait_seconds_sum{service="s",task="a.b"} 0.25',
    ])
    expect(await lines(registry, 'warren_queue_paused')).toEqual([
      'warren_queue_paused{service="s",queue="a.b.s"} 1',
      'warren_queue_paused{service="s",queue="a.c.s"} 0',
    ])
    expect(await lines(registry, 'warren_ticks_total')).toEqual([
      'warren_ticks_total{service="s",schedule="nightly",action="sent",reason=""} 1',
      'warren_ticks_total{service="s",schedule="nightly",action="skipped",reason="overlap"} 1',
      'warren_ticks_total{service="s",schedule="nightly",action="failed",reason=""} 1',
    ])
  })

  it('no more than 100 schedules by their names', async () => {
    const [worker, registry] = [new FakeWorker('s'), new Registry()]
    workerMetrics(worker, registry)
    for (let number = 0; number < 300; number++) {
      worker.emit('tick', { service: 's', schedule: `of-${number}`, tick: new Date(), action: 'sent', lateMs: 0 })
    }
    const found = await lines(registry, 'warren_ticks_total')
    expect(found.length).toBeLessThanOrEqual(101)
    expect(found.at(-1)).toContain('schedule="other"')
  })
})

describe('Metrics of what is sent', () => {
  class FakeWarren extends EventEmitter<WarrenEvents> implements ObservedWarren {
    sending: Sending = { name: 'shop', unconfirmed: 3, blocked: false, connected: true, store: 'none' }
    send(): void {}
  }
  const confirmed = { id: 'i', routingKey: 'a.b', latencyMs: 20 }

  it('count confirms by exchange, all delay levels as one, and how long they took', async () => {
    const [warren, registry] = [new FakeWarren(), new Registry()]
    producerMetrics(warren, registry)
    for (const exchange of ['a.commands', 'warren.delay.level.03', 'warren.delay.level.04']) {
      warren.emit('confirmed', { ...confirmed, exchange })
    }
    expect(await lines(registry, 'warren_confirms_total')).toEqual([
      'warren_confirms_total{name="shop",exchange="a.commands"} 1',
      'warren_confirms_total{name="shop",exchange="warren.delay"} 2',
    ])
    expect(await lines(registry, 'warren_confirm_duration_seconds_count')).toEqual([
      'warren_confirm_duration_seconds_count{name="shop"} 3',
    ])
  })

  it('count flows by how they ended, with few reasons, and how long they took', async () => {
    const [warren, registry] = [new FakeWarren(), new Registry()]
    producerMetrics(warren, registry)
    expect(await lines(registry, 'warren_flows_started_total')).toEqual(['warren_flows_started_total{name="shop"} 0'])
    warren.emit('flowStarted', { flow: 'f', steps: 2 })
    warren.emit('flowEnded', { flow: 'f', state: 'succeeded', tookMs: 250 })
    for (let n = 0; n < 100; n++) {
      warren.emit('flowEnded', { flow: `f${n}`, state: 'failed', reason: `reason ${n}`, tookMs: 1_000 })
    }
    expect(await lines(registry, 'warren_flows_started_total')).toEqual(['warren_flows_started_total{name="shop"} 1'])
    const ended = await lines(registry, 'warren_flows_ended_total')
    expect(ended[0]).toBe('warren_flows_ended_total{name="shop",state="succeeded",reason=""} 1')
    expect(ended.length).toBeLessThanOrEqual(42)
    expect(ended.at(-1)).toContain('reason="other"')
    expect(await lines(registry, 'warren_flow_duration_seconds_count')).toEqual([
      'warren_flow_duration_seconds_count{name="shop",state="succeeded"} 1',
      'warren_flow_duration_seconds_count{name="shop",state="failed"} 100',
    ])
  })

  it('say what is in flight, blocked, and published again', async () => {
    const [warren, registry] = [new FakeWarren(), new Registry()]
    producerMetrics(warren, registry)
    warren.emit('republished', { count: 7, reason: 'lost' })
    warren.emit('unblocked', { role: 'publish', blockedMs: 2_500 })
    warren.emit('unblocked', { role: 'consume', blockedMs: 1_000 })
    warren.sending = { ...warren.sending, blocked: true, connected: false, store: 'unavailable' }
    for (const [name, value] of [
      ['warren_republished_total', 7],
      ['warren_blocked_seconds_total', 2.5],
      ['warren_unconfirmed', 3],
      ['warren_blocked', 1],
      ['warren_connected', 0],
      ['warren_store_available', 0],
    ] as const) {
      expect(await lines(registry, `${name}{`)).toEqual([`${name}{name="shop"} ${value}`])
    }
  })

  it('are the worst of two connections with one name', async () => {
    const registry = new Registry()
    const [good, bad] = [new FakeWarren(), new FakeWarren()]
    bad.sending = { ...bad.sending, blocked: true, connected: false, store: 'unavailable' }
    for (const warren of [good, bad]) producerMetrics(warren, registry)
    for (const [name, value] of [
      ['warren_unconfirmed', 6],
      ['warren_blocked', 1],
      ['warren_connected', 0],
      ['warren_store_available', 0],
    ] as const) {
      expect(await lines(registry, `${name}{`)).toEqual([`${name}{name="shop"} ${value}`])
    }
  })

  it('are gone once the connection is closed, and its listeners with them', async () => {
    const [warren, registry] = [new FakeWarren(), new Registry()]
    producerMetrics(warren, registry)
    producerMetrics(warren, registry)
    warren.emit('connectionState', { role: 'publish', state: 'closed', address: '', epoch: 1 })
    expect(warrens(registry)).toEqual([])
    expect(warren.eventNames()).toEqual([])
  })

  it('are refused for anything else', () => {
    expect(() => producerMetrics({} as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTIONS' }))
    expect(() => producerMetrics(new FakeWarren(), {} as never)).toThrow(/Registry/)
  })
})

it('A registry that serveWorker is given is served with what else is in it', async () => {
  const registry = new Registry()
  new Counter({ name: 'mine_total', help: 'mine', registers: [registry] }).inc(2)
  const server = await serveWorker(new FakeWorker('s'), { port: 0, registry })
  const text = await (await fetch(`${server.url}/metrics`)).text()
  await server.close()
  expect(text).toContain('mine_total 2')
  expect(text).toContain('warren_worker_running{service="s"}')
  await expect(serveWorker(new FakeWorker('s'), { port: 0, registry: {} as never })).rejects.toThrow(/Registry/)
})
