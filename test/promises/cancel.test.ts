/**
 * The promise: what a caller of cancel() is told is what happened. A cancelled task is not run, or its signal is aborted; it
 * is neither retried nor dead-lettered, and its result is REVOKED for good.
 */
import { randomUUID } from 'node:crypto'
import { connect as amqpConnect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { CancelledError, connect, defineTask, type Handle, type OutcomeKind, type Warren } from '../../src/index.js'
import { encode } from '../../src/wire/envelope.js'
import { commandsExchange, headers } from '../../src/wire/names.js'
import { type ClusterUrls, consuming, deadLetters, until, virtualHost } from '../support/cluster.js'
import { ownStore } from '../support/ownStore.js'

const SERVICE = 'cancel'
const RESULT = { timeoutMs: 20_000 }
const input = z.object({ what: z.string() })
const retry = { maxAttempts: 2, initialDelayMs: 2_000, backoff: 'fixed' as const }
const plain = defineTask({ name: 'payment.cancel.plain', input, output: z.string(), retry })

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren

beforeAll(async () => {
  urls = await virtualHost(SERVICE, [plain])
  warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  // The queue is there from now on, as with a worker that is away.
  await (await worker(warren)).stop()
})
afterAll(() => warren?.close())

interface Noted {
  readonly id: string
  readonly outcome: OutcomeKind
}

/** A worker that notes what it ran and how each attempt was settled. */
async function worker(of: Warren, { concurrency = 20 } = {}) {
  const started: string[] = []
  const reasons: unknown[] = []
  const settled: Noted[] = []
  const made = of.worker({ service: SERVICE, concurrency, gracePeriodMs: 1_000 })
  made.handle(plain, async ({ what }, { id, number, signal }) => {
    started.push(id)
    if (what === 'fails once' && number === 1) throw new Error('the first attempt was told to fail')
    if (what === 'fails') throw new Error('told to fail')
    if (what === 'heeds') {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      reasons.push(signal.reason)
      throw signal.reason
    }
    if (what === 'ignores') await new Promise((resolve) => setTimeout(resolve, 3_000))
    return what
  })
  made.on('attemptSettled', ({ id, outcome }) => settled.push({ id, outcome }))
  await consuming(made)
  const of_ = (id: string) => settled.filter((each) => each.id === id).map(({ outcome }) => outcome)
  return { made, started, reasons, of: of_, stop: () => made.stop() }
}

const isCancelled = async (handle: Handle<unknown>): Promise<void> => {
  await expect(handle.result(RESULT)).rejects.toMatchObject({ code: 'TASK_FAILED', errorClass: 'TaskRevokedError' })
  expect(await handle.state()).toMatchObject({ status: 'REVOKED', error: { message: 'cancelled' } })
}

const inDeadLetters = async (id: string): Promise<boolean> =>
  (await deadLetters(urls.vhost, 'payment.dlq')).some(({ properties }) => properties.headers?.id === id)

describe('What the caller is told, and what happens', () => {
  it('before it starts, with the worker away: cancelled, not run, and acknowledged', async () => {
    const handle = await warren.send(plain, { what: 'early' })
    const next = await warren.send(plain, { what: 'next' })
    expect(await handle.cancel()).toEqual({ id: handle.id, outcome: 'cancelled', status: 'REVOKED' })
    await isCancelled(handle)
    const { started, of, stop } = await worker(warren)
    expect(await next.result(RESULT)).toBe('next')
    await until('it is dropped', () => of(handle.id).length > 0)
    expect(of(handle.id)).toEqual(['cancelled'])
    expect(started).toEqual([next.id])
    expect(await inDeadLetters(handle.id)).toBe(false)
    await isCancelled(handle)
    await stop()
  })

  it('while it runs: its signal is aborted with the reason; no retry, no dead letter', async () => {
    const { started, reasons, of, stop } = await worker(warren)
    const handle = await warren.send(plain, { what: 'heeds' })
    await until('it runs', () => started.includes(handle.id))
    expect(await warren.cancel(handle.id)).toMatchObject({ outcome: 'cancelled' })
    await until('it ended', () => of(handle.id).length > 0)
    expect(of(handle.id)).toEqual(['cancelled'])
    expect(reasons).toEqual([expect.any(CancelledError)])
    expect(reasons[0]).toMatchObject({ code: 'CANCELLED', id: handle.id })
    await isCancelled(handle)
    expect(await inDeadLetters(handle.id)).toBe(false)
    // Repeated, it says the same.
    expect(await handle.cancel()).toMatchObject({ outcome: 'cancelled', status: 'REVOKED' })
    await stop()
  })

  it('while it runs and ignores its signal: its attempt ends at once, and what it returns later counts for nothing', async () => {
    const { started, of, stop } = await worker(warren)
    const handle = await warren.send(plain, { what: 'ignores' })
    await until('it runs', () => started.includes(handle.id))
    const startedAt = performance.now()
    await handle.cancel()
    await until('it ended', () => of(handle.id).length > 0)
    expect(performance.now() - startedAt).toBeLessThan(3_000)
    expect(of(handle.id)).toEqual(['cancelled'])
    await stop()
    await isCancelled(handle)
  })

  it('after its success or failure: finished, with the status, and nothing changes', async () => {
    const { stop } = await worker(warren)
    const handle = await warren.send(plain, { what: 'done' })
    expect(await handle.result(RESULT)).toBe('done')
    expect(await handle.cancel()).toEqual({ id: handle.id, outcome: 'finished', status: 'SUCCESS' })
    expect(await handle.result(RESULT)).toBe('done')
    await stop()
  })

  it('between its retries: dropped when the next is due', async () => {
    const { started, of, stop } = await worker(warren)
    const handle = await warren.send(plain, { what: 'fails once' })
    await until('the first attempt failed', () => of(handle.id).includes('retried'))
    expect(await handle.cancel()).toMatchObject({ outcome: 'cancelled' })
    await until('the retry is dropped', () => of(handle.id).length === 2)
    expect(of(handle.id)).toEqual(['retried', 'cancelled'])
    expect(started).toEqual([handle.id])
    await isCancelled(handle)
    await stop()
  })

  it('delayed: dropped when it is due', async () => {
    const { started, of, stop } = await worker(warren)
    const id = randomUUID()
    await publish({ id, what: 'later' }, { [headers.due]: Date.now() + 1_000 })
    expect(await warren.cancel(id)).toMatchObject({ outcome: 'cancelled' })
    await until('it is dropped', () => of(id).length > 0)
    expect(of(id)).toEqual(['cancelled'])
    expect(started).toEqual([])
    await stop()
  })

  it('failed, then redriven: finished before, cancelled after; and a redrive does not undo it', async () => {
    const first = await worker(warren)
    const handle = await warren.send(plain, { what: 'fails' })
    await expect(handle.result(RESULT)).rejects.toThrow(/told to fail/)
    expect(await handle.cancel()).toMatchObject({ outcome: 'finished', status: 'FAILURE' })
    await first.stop()
    const letters = warren.deadLetters({ domain: 'payment' })
    expect(await letters.redrive({ id: handle.id })).toMatchObject({ done: 1 })
    expect(await handle.cancel()).toMatchObject({ outcome: 'cancelled' })
    const { started, of, stop } = await worker(warren)
    await until('it is dropped', () => of(handle.id).length > 0)
    expect(started).toEqual([])
    await isCancelled(handle)
    await stop()
  })

  it('unknown: cancelled beforehand, until a caller sends it anew, which runs', async () => {
    const { of, stop } = await worker(warren)
    const id = randomUUID()
    expect(await warren.cancel(id)).toMatchObject({ outcome: 'cancelled' })
    // Published under that id by somebody who knows nothing of it: dropped.
    await publish({ id, what: 'unknown' })
    await until('it is dropped', () => of(id).includes('cancelled'))
    const handle = await warren.send(plain, { what: 'anew' }, { id })
    expect(await handle.result(RESULT)).toBe('anew')
    await until('it was settled', () => of(id).length === 2)
    expect(of(id)).toEqual(['cancelled', 'succeeded'])
    await stop()
  })

  it('by task and by tag: what was sent before, and nothing that is sent after', async () => {
    const [tagged, other] = await Promise.all([
      warren.send(plain, { what: 'tagged' }, { tags: ['customer:1', 'customer:42'] }),
      warren.send(plain, { what: 'other' }, { tags: ['customer:4'] }),
    ])
    const cut = await warren.cancel({ tag: 'customer:42' })
    expect(cut).toMatchObject({ scope: 'tag', name: 'customer:42', before: expect.any(Date) })
    const { started, of, stop } = await worker(warren)
    expect(await other.result(RESULT)).toBe('other')
    await isCancelled(tagged)
    await until('it is dropped', () => of(tagged.id).length > 0)
    expect(started).toEqual([other.id])
    const running = await warren.send(plain, { what: 'heeds' })
    await until('it runs', () => started.includes(running.id))
    await warren.cancel({ task: plain })
    await isCancelled(running)
    // A millisecond later at least: what is sent in the same one is taken for earlier.
    await until('time passes', () => Date.now() > cut.before.getTime() + 2_500)
    const [after, again] = await Promise.all([
      warren.send(plain, { what: 'after' }, { tags: ['customer:42'] }),
      warren.send(plain, { what: 'again' }),
    ])
    expect(await Promise.all([after.result(RESULT), again.result(RESULT)])).toEqual(['after', 'again'])
    await stop()
  })

  it('in races with success, the store and the caller agree', async () => {
    const { stop } = await worker(warren)
    const races = await Promise.all(
      Array.from({ length: 300 }, async (_, n) => {
        const handle = await warren.send(plain, { what: `race ${n}` })
        if (n % 3 > 0) await new Promise((resolve) => setTimeout(resolve, n % 7))
        const told = await handle.cancel()
        return {
          told: told.outcome,
          ended: await handle.result(RESULT).then(
            () => 'SUCCESS',
            () => 'REVOKED',
          ),
        }
      }),
    )
    expect(races.filter(({ told, ended }) => (told === 'finished') !== (ended === 'SUCCESS'))).toEqual([])
    await stop()
  })
})

describe('With a store of its own', () => {
  it('a worker that lost its subscription learns of it all the same, and so does one that may not subscribe', async () => {
    const store = await ownStore()
    await store.admin.call(
      ...(['ACL', 'SETUSER', 'noControl', 'on', '>pw', '~celery-task-meta-*', '~warren-*', '+@all'] as const),
      ...(['resetchannels', '&celery-task-meta-*', '&warren-replies-*'] as const),
    )
    const barred = store.url.replace('redis://', 'redis://noControl:pw@')
    for (const results of [store.url, barred]) {
      await using of = await connect({ broker: urls.broker, results, logger: false })
      await using caller = await connect({ broker: urls.broker, results, logger: false })
      const { started, of: outcomes } = await worker(of)
      const handle = await caller.send(plain, { what: 'heeds' })
      await until('it runs', () => started.includes(handle.id))
      await store.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      expect(await handle.cancel()).toMatchObject({ outcome: 'cancelled' })
      await until('it was aborted', () => outcomes(handle.id).length > 0)
      expect(outcomes(handle.id)).toEqual(['cancelled'])
    }
  })

  it('a task delayed by more than 30 days is remembered until after it is due', async () => {
    const store = await ownStore()
    await using of = await connect({ broker: urls.broker, results: store.url, logger: false })
    const handle = await of.send(plain, { what: 'in 60 days' }, { delayMs: 60 * 86_400_000 })
    await handle.cancel()
    const [kept] = await store.admin.keys('warren-cancelled-*')
    const until = /:(\d+)$/.exec((await store.admin.hget(kept ?? '', `id:${handle.id}`)) ?? '')?.[1]
    expect(Number(until)).toBeGreaterThan(handle.due?.getTime() ?? Number.POSITIVE_INFINITY)
  })

  it('a store that was emptied has forgotten it: the task runs', async () => {
    const store = await ownStore()
    await using of = await connect({ broker: urls.broker, results: store.url, logger: false })
    const handle = await of.send(plain, { what: 'forgotten' })
    await handle.cancel()
    await store.admin.flushdb()
    await worker(of)
    expect(await handle.result(RESULT)).toBe('forgotten')
  })
})

it('without a store, and for what is no id and no scope, it says so', async () => {
  await using without = await connect({ broker: urls.broker, logger: false })
  await expect(without.cancel('id')).rejects.toMatchObject({ code: 'NO_RESULT_STORE' })
  await expect(without.handle(plain, 'id').cancel()).rejects.toMatchObject({ code: 'NO_RESULT_STORE' })
  await expect(without.pause('queue')).rejects.toMatchObject({ code: 'NO_RESULT_STORE' })
  for (const wrong of [
    '',
    'i'.repeat(256),
    {},
    { task: '' },
    { tag: 'x'.repeat(201) },
    { task: 'a', tag: 'b' },
    null,
  ]) {
    await expect(warren.cancel(wrong as never)).rejects.toMatchObject({ code: 'INVALID_OPTIONS' })
  }
  await expect(warren.cancel('id', { keepMs: 0 })).rejects.toThrow(/keepMs/)
  await expect(warren.send(plain, { what: 'x' }, { tags: [''] })).rejects.toThrow(/`tags` to be a list of at most 16/)
})

/** Publishes as somebody who is not Warren's sender, with more headers. */
async function publish({ id, what }: { id: string; what: string }, more: Record<string, unknown> = {}): Promise<void> {
  const { content, properties } = encode({ task: plain.name, id, input: { what } })
  const connection = await amqpConnect(urls.broker)
  try {
    const channel = await connection.createConfirmChannel()
    channel.publish(commandsExchange('payment'), plain.name, content, {
      ...properties,
      headers: { ...properties.headers, ...more },
    })
    await channel.waitForConfirms()
  } finally {
    await connection.close()
  }
}
