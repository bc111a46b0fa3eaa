/** A worker's life, and its listeners: what users' code does in them changes nothing. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import type { WorkerEvents } from '../../src/index.js'
import { defineTask } from '../../src/task/task.js'
import { pause } from '../../src/timers.js'
import { FakeBroker, FakeClock, FakeStore, queueOf, refused, taskMessage, workerOn } from '../support/harness/index.js'

const task = defineTask({
  name: 'payment.card.charge',
  input: z.object({}),
  retry: { maxAttempts: 2, initialDelayMs: 50 },
})
const QUEUE = queueOf(task)

let clock: FakeClock
let broker: FakeBroker
beforeEach(() => {
  clock = new FakeClock()
  broker = new FakeBroker()
})
afterEach(() => clock.stop())

/** Each event, so that a new one is missed here by the compiler. Ticks, limits and packs have tests of their own. */
const EVENTS: Readonly<Record<keyof WorkerEvents, true>> = {
  ...{ workerState: true, consumerState: true, attemptStarted: true, attemptFinished: true },
  ...{ attemptSettled: true, deadLettered: true, settleDelayed: true, limited: true, tick: true, pack: true },
}

const throws = (): never => {
  throw new Error('the listener is broken')
}
describe.each([
  ['throws', throws],
  ['returns a promise that rejects', async () => throws()],
  ['never ends', () => new Promise(() => undefined)],
  [
    'throws what cannot be read',
    () => {
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      throw proxy
    },
  ],
  ['returns what looks like a promise and throws when it is asked', () => Object.fromEntries([['then', throws]])],
])('A listener of every event that %s', (_what, listener) => {
  it('changes nothing: each message ends as without it, once, and the worker stops', async () => {
    const store = new FakeStore()
    const { worker } = workerOn(broker, store)
    const called: string[] = []
    for (const event of Object.keys(EVENTS) as (keyof WorkerEvents)[]) {
      worker.on(event, () => {
        called.push(event)
        return listener() as never
      })
    }
    worker.handle(task, async (_input, { id }) => {
      if (id.startsWith('fails')) throw new Error('told to fail')
      return id
    })
    await worker.start()
    // The first time the store refuses, so that settling is delayed.
    store.answer('store', refused(new Error('READONLY')), () => true)
    const deliver = (id: string, retries = 0) =>
      broker.deliver(QUEUE, taskMessage(task, {}, id, { properties: { headers: { retries } } }))
    const all = [deliver('returns'), deliver('fails'), deliver('fails-for-good', 1)]
    await clock.until('all are settled', () => all.every(({ settlement }) => settlement !== undefined))
    await clock.settle()
    expect(all.map(({ settlement }) => settlement)).toEqual(['acked', 'acked', 'acked'])
    expect(broker.publications.map(({ exchange, routingKey }) => exchange || routingKey)).toEqual([
      QUEUE,
      'payment.dlx',
    ])
    const stopping = worker.stop()
    await clock.advance(1_000)
    await stopping
    expect(new Set([...called, 'tick', 'limited', 'pack'])).toEqual(new Set(Object.keys(EVENTS)))
    expect(worker.health()).toMatchObject({ state: 'stopped', running: 0, held: 0 })
  })
})

describe('start()', () => {
  it('a second time is refused by name, also while the first is at work, and the worker goes on', async () => {
    const { worker } = workerOn(broker)
    worker.handle(task, async () => undefined)
    const first = worker.start()
    await expect(worker.start()).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
    await first
    await expect(worker.start()).rejects.toThrow(/worker\.start.*once/)
    expect(worker.state).toBe('running')
  })

  it('after stop() is refused as closed', async () => {
    const { worker } = workerOn(broker)
    worker.handle(task, async () => undefined)
    await worker.stop()
    await worker.stop()
    await expect(worker.start()).rejects.toMatchObject({ code: 'CLOSED' })
    expect(() => worker.handle(task, async () => undefined)).toThrow(/before start/)
  })

  it('that is overtaken by stop() ends as closed, and leaves nothing open', async () => {
    const { worker } = workerOn(broker)
    worker.handle(task, async () => undefined)
    const starting = worker.start()
    const ended = expect(starting).rejects.toMatchObject({ code: 'CLOSED' })
    const stopping = worker.stop()
    await clock.advance(10_000)
    await Promise.all([ended, stopping])
    expect(worker.state).toBe('stopped')
    expect(broker.channels).toEqual([])
  })
})

describe('stop()', () => {
  /** A worker whose handler takes an hour. */
  async function busy() {
    const { worker } = workerOn(broker)
    let aborted = false
    worker.handle(task, async (_input, { signal }) => {
      await pause(3_600_000, signal)
      aborted = signal.aborted
    })
    await worker.start()
    const delivery = broker.deliver(QUEUE, taskMessage(task, {}, 'long'))
    await clock.until('it runs', () => worker.health().running === 1)
    let stopped = false
    const stop = (gracePeriodMs: number): void => {
      void worker.stop({ gracePeriodMs }).then(() => {
        stopped = true
      })
    }
    return { worker, delivery, stop, isStopped: () => stopped, isAborted: () => aborted }
  }

  it('a second time with a shorter grace period shortens the first', async () => {
    const { delivery, stop, isStopped, isAborted } = await busy()
    stop(Number.POSITIVE_INFINITY)
    await clock.advance(60_000)
    expect([isStopped(), isAborted()]).toEqual([false, false])
    stop(2_000)
    await clock.advance(1_000)
    expect([isStopped(), isAborted()]).toEqual([false, false])
    await clock.advance(3_000)
    expect([isStopped(), isAborted(), delivery.settlement]).toEqual([true, true, 'requeued'])
  })

  it('a second time with a longer one, or none, does not lengthen the first', async () => {
    const { worker, stop, isStopped } = await busy()
    stop(2_000)
    stop(60_000)
    void worker.stop()
    await clock.advance(5_000)
    expect(isStopped()).toBe(true)
  })

  it('leaves no timer behind', async () => {
    const before = clock.timers
    const { stop, isStopped } = await busy()
    stop(Number.POSITIVE_INFINITY)
    stop(1_000)
    await clock.advance(20_000)
    expect(isStopped()).toBe(true)
    expect(clock.timers).toBe(before)
  })

  it('gives back what waits for its time at once, whatever the grace period', async () => {
    const { worker } = workerOn(broker)
    const handler = vi.fn()
    worker.handle(task, handler)
    await worker.start()
    const due = { properties: { headers: { 'x-warren-due': Date.now() + 1_400 } } }
    const delivery = broker.deliver(QUEUE, taskMessage(task, {}, 'later', due))
    await clock.settle()
    expect(worker.health()).toMatchObject({ held: 1, running: 0 })
    const stopping = worker.stop({ gracePeriodMs: Number.POSITIVE_INFINITY })
    await clock.settle()
    expect(delivery.settlement).toBe('requeued')
    await clock.advance(1_000)
    await stopping
    expect(handler).not.toHaveBeenCalled()
  })

  it.each([
    [{ gracePeriodMs: -1 }],
    [{ gracePeriodMs: Number.NaN }],
    [{ gracePeriodMs: '5' as unknown as number }],
    [{ grace: 5 } as object],
  ])('%o is refused, and the worker goes on', async (options) => {
    const { worker } = workerOn(broker)
    worker.handle(task, async () => undefined)
    await worker.start()
    await expect(worker.stop(options)).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
    expect(worker.state).toBe('running')
  })
})
