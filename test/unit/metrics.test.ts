/** What a worker's metrics say, in registries of all kinds, and that they leave nothing behind. */
import { EventEmitter } from 'node:events'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import type { WorkerEvents } from '../../src/observe/events.js'
import type { ObservedWorker, WorkerHealth } from '../../src/observe/health.js'
import { workerMetrics } from '../../src/observe/metrics.js'

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
