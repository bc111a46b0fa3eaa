/**
 * How messages end, told once for two grounds: a real broker with a real store, and the in-memory Warren of
 * `warren/testing`. Whatever one of them does otherwise fails here, so that a test without a broker says what a broker does.
 */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import {
  chain,
  defineTask,
  type FlowHandle,
  type FlowPart,
  graph,
  group,
  type Handle,
  join,
  step,
  type Task,
  taskQueue,
  type Warren,
  type WarrenEvents,
  type WorkerEvents,
} from '../../src/index.js'
import { behave, behaveTask, type Seen } from './behave.js'

export const ENDINGS_SERVICE = 'spec'

const retry = { maxAttempts: 3, backoff: 'fixed', initialDelayMs: 100 } as const
const plain = behaveTask('payment.spec.plain')
const retried = behaveTask('payment.spec.retried', { retry })
const limited = behaveTask('payment.spec.limited', { timeoutMs: 200 })
const kept = behaveTask('payment.spec.kept')
const pausing = behaveTask('payment.spec.pausing')
const nowhere = behaveTask('payment.spec.nowhere')
const reporting = defineTask({
  name: 'payment.spec.reporting',
  input: z.object({ steps: z.number().int() }),
  output: z.object({ at: z.string() }).transform(({ at }) => new Date(at)),
})

const collect = defineTask({
  name: 'payment.spec.collect',
  input: z.object({ of: z.unknown(), and: z.unknown().optional(), fails: z.boolean().optional() }),
  output: z.object({ of: z.unknown(), and: z.unknown().optional() }),
})

/** Those that workers of {@link ENDINGS_SERVICE} handle. */
export const endingsTasks: readonly Pick<Task, 'name' | 'queue'>[] = [
  ...[plain, retried, limited, kept, pausing],
  ...[reporting, collect],
]

export interface Ground {
  readonly warren: Warren
  /** Lets time pass until the promise settles. */
  pass<T>(promise: Promise<T>): Promise<T>
}

export function describeEndings(where: string, open: () => Promise<Ground>): void {
  describe(where, () => {
    let warren: Warren
    let pass: Ground['pass']
    const seen: Seen[] = []
    const attempts: WorkerEvents['attemptSettled'][0][] = []
    const runsOf = (id: string): number[] => seen.filter((each) => each.id === id).map(({ number }) => number)
    const result = <T>(handle: Handle<T>): Promise<T> => pass(handle.result({ timeoutMs: 30_000 }))
    const deadLetter = async (id: string) => {
      const [letter] = await warren.deadLetters({ domain: 'payment' }).show(id)
      return letter
    }

    beforeAll(async () => {
      ;({ warren, pass } = await open())
      const worker = warren.worker({ service: ENDINGS_SERVICE, concurrency: 5 })
      for (const task of [plain, retried, limited, kept, pausing]) worker.handle(task, behave(seen))
      worker.handle(reporting, async ({ steps }, { progress }) => {
        for (let step = 1; step <= steps; step++) await progress({ step })
        return { at: '2030-01-02T03:04:05.000Z' }
      })
      worker.handle(collect, ({ of, and, fails }) => {
        if (fails === true) throw new RangeError('told to fail')
        return { of, and }
      })
      worker.on('attemptSettled', (event) => attempts.push(event))
      await worker.start()
    })
    afterAll(() => warren?.close())

    it('a handler that returns: SUCCESS, once', async () => {
      const handle = await warren.send(plain, { does: ['return'] })
      expect(await result(handle)).toEqual({ number: 1 })
      expect(await handle.state()).toMatchObject({ status: 'SUCCESS', attempt: 1, task: plain.name })
      expect(runsOf(handle.id)).toEqual([1])
      expect(await deadLetter(handle.id)).toBeUndefined()
    })

    it('a transformed output is parsed where it is read', async () => {
      expect(await result(await warren.send(reporting, { steps: 0 }))).toEqual(new Date('2030-01-02T03:04:05.000Z'))
    })

    it('a handler that throws with none left: FAILURE, and a dead letter that says why', async () => {
      const handle = await warren.send(plain, { does: ['throw'] })
      await expect(result(handle)).rejects.toMatchObject({ code: 'TASK_FAILED', errorClass: 'HandlerError' })
      expect(await deadLetter(handle.id)).toMatchObject({
        ...{ id: handle.id, task: plain.name, reason: 'failed', by: 'warren', attempts: 1 },
        why: 'failed on attempt 1 with HandlerError: attempt 1 was told to fail',
        ...{ queue: taskQueue(plain.name, ENDINGS_SERVICE), exchange: 'payment.commands', routingKey: plain.name },
        ...{ errorClass: 'HandlerError', errorMessage: 'attempt 1 was told to fail', redriven: 0 },
      })
    })

    it('a handler that throws with attempts left: retried, until it returns', async () => {
      const handle = await warren.send(retried, { does: ['throw', 'throw', 'return'] })
      expect(await result(handle)).toEqual({ number: 3 })
      expect(runsOf(handle.id)).toEqual([1, 2, 3])
    })

    it('a handler that throws until none are left: one dead letter with the count', async () => {
      const handle = await warren.send(retried, { does: ['throw'] })
      await expect(result(handle)).rejects.toMatchObject({ code: 'TASK_FAILED' })
      expect(runsOf(handle.id)).toEqual([1, 2, 3])
      expect(await deadLetter(handle.id)).toMatchObject({ reason: 'failed', attempts: 3 })
    })

    it.each(['reject', 'odd'] as const)(
      'a handler that throws %s: no retry for Reject, one like any other for the rest',
      async (how) => {
        const handle = await warren.send(retried, { does: [how] })
        await expect(result(handle)).rejects.toMatchObject({ code: 'TASK_FAILED' })
        expect(runsOf(handle.id)).toHaveLength(how === 'reject' ? 1 : 3)
        expect(await deadLetter(handle.id)).toMatchObject({ reason: how === 'reject' ? 'rejected' : 'failed' })
      },
    )

    it.each(['hang', 'hangDeaf'] as const)('an attempt past its time limit (%s): failed', async (how) => {
      const handle = await warren.send(limited, { does: [how] })
      await expect(result(handle)).rejects.toMatchObject({ errorClass: 'TimeLimitError' })
      expect(await deadLetter(handle.id)).toMatchObject({ reason: 'failed', errorClass: 'TimeLimitError' })
    })

    it('input that does not fit: INVALID_INPUT, and nothing is sent', async () => {
      await expect(warren.send(plain, { does: ['dance'] } as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    })

    it('a task that no queue takes: UNROUTABLE, at once or later', async () => {
      await expect(warren.send(nowhere, { does: ['return'] })).rejects.toMatchObject({ code: 'UNROUTABLE' })
      const later = warren.send(nowhere, { does: ['return'] }, { delayMs: 60_000 })
      await expect(later).rejects.toMatchObject({ code: 'UNROUTABLE' })
    })

    it('a task past its deadline: REVOKED, and dead-lettered as expired', async () => {
      const handle = await warren.send(plain, { does: ['return'] }, { expires: new Date(0) })
      await expect(result(handle)).rejects.toMatchObject({ errorClass: 'TaskRevokedError' })
      expect(await handle.state()).toMatchObject({ status: 'REVOKED' })
      expect(runsOf(handle.id)).toEqual([])
      expect(await deadLetter(handle.id)).toMatchObject({ reason: 'expired' })
    })

    it.each([300, 2_500])('a task that is delayed by %i ms: run, and not before others', async (delayMs) => {
      const later = await warren.send(plain, { does: ['return'] }, { delayMs })
      expect(later.due).toBeInstanceOf(Date)
      const now = await warren.send(plain, { does: ['return'] })
      await result(now)
      expect(runsOf(later.id)).toEqual([])
      expect(await result(later)).toEqual({ number: 1 })
    })

    it('an id that is sent again is not run again once it is done, and anew after a failure', async () => {
      const id = `spec-${Date.now()}`
      await result(await warren.send(plain, { does: ['return'] }, { id }))
      const again = await warren.send(plain, { does: ['return'] }, { id })
      expect(await result(again)).toEqual({ number: 1 })
      await result(await warren.send(plain, { does: ['return'] }))
      expect(runsOf(id)).toEqual([1])
      const failing = `${id}-failing`
      await expect(result(await warren.send(plain, { does: ['throw'] }, { id: failing }))).rejects.toThrow()
      expect(await result(await warren.send(plain, { does: ['return'] }, { id: failing }))).toEqual({ number: 1 })
      expect(runsOf(failing)).toEqual([1, 1])
    })

    it('a dead letter that is sent back is run anew, with all its attempts', async () => {
      const handle = await warren.send(kept, { does: ['throw', 'return'] })
      await expect(result(handle)).rejects.toThrow()
      const letters = warren.deadLetters({ domain: 'payment' })
      expect(await letters.redrive({ id: handle.id })).toMatchObject({ done: 1, kept: 0, matched: 1 })
      await expect(result(warren.handle(kept, handle.id))).rejects.toThrow()
      expect(runsOf(handle.id)).toEqual([1, 1])
      expect(await deadLetter(handle.id)).toMatchObject({ redriven: 1, attempts: 1 })
      expect(await letters.purge({ id: handle.id })).toMatchObject({ done: 1 })
      expect(await deadLetter(handle.id)).toBeUndefined()
    })

    describe('Cancelled', () => {
      it('while it waits: not run, REVOKED', async () => {
        const handle = await warren.send(plain, { does: ['return'] }, { delayMs: 1_200 })
        expect(await handle.cancel()).toEqual({ id: handle.id, outcome: 'cancelled', status: 'REVOKED' })
        await expect(result(handle)).rejects.toMatchObject({ errorClass: 'TaskRevokedError' })
        await result(await warren.send(plain, { does: ['return'] }, { delayMs: 1_400 }))
        expect(runsOf(handle.id)).toEqual([])
      })

      it('while it runs: aborted, neither retried nor dead-lettered', async () => {
        const handle = await warren.send(retried, { does: ['hang'] })
        await pass(until(() => runsOf(handle.id).length === 1))
        expect(await warren.cancel(handle.id)).toMatchObject({ outcome: 'cancelled' })
        await pass(until(() => attempts.some(({ id, outcome }) => id === handle.id && outcome === 'cancelled')))
        expect(runsOf(handle.id)).toEqual([1])
        expect(await deadLetter(handle.id)).toBeUndefined()
      })

      it('after it has ended: finished, and nothing changes', async () => {
        const handle = await warren.send(plain, { does: ['return'] })
        await result(handle)
        expect(await handle.cancel()).toMatchObject({ outcome: 'finished', status: 'SUCCESS' })
        expect(await result(handle)).toEqual({ number: 1 })
      })

      it('by a tag: all that were sent before, and none after', async () => {
        const tags = [`tag-${Date.now()}`]
        const before = await warren.send(plain, { does: ['return'] }, { tags, delayMs: 1_000 })
        await warren.cancel({ tag: tags[0] as string })
        await pass(until(() => Date.now() > 0))
        const after = await warren.send(plain, { does: ['return'] }, { tags, delayMs: 1_100 })
        await result(after)
        await expect(result(before)).rejects.toMatchObject({ errorClass: 'TaskRevokedError' })
        expect(runsOf(before.id)).toEqual([])
      })
    })

    describe('Unique', () => {
      const key = (): string => `key-${Math.random()}`

      it('the second finds the first, and the key is free once that has ended', async () => {
        const unique = { key: key() }
        const first = await warren.send(plain, { does: ['return'] }, { unique, delayMs: 400 })
        const second = await warren.send(plain, { does: ['return'] }, { unique })
        expect([second.id, second.existing]).toEqual([first.id, true])
        await expect(
          warren.send(plain, { does: ['return'] }, { unique: { ...unique, onConflict: 'reject' } }),
        ).rejects.toMatchObject({ code: 'UNIQUE_CONFLICT', holder: first.id })
        await result(first)
        const third = await warren.send(plain, { does: ['return'] }, { unique })
        expect(third.existing).toBe(false)
        await result(third)
      })

      it('with replace: only the last one is run', async () => {
        const unique = { key: key(), onConflict: 'replace' } as const
        const first = await warren.send(plain, { does: ['return'] }, { unique, delayMs: 3_000 })
        const second = await warren.send(plain, { does: ['return'] }, { unique, delayMs: 300 })
        expect(second.existing).toBe(false)
        await result(second)
        await expect(result(first)).rejects.toMatchObject({ errorClass: 'TaskRevokedError' })
        expect(runsOf(first.id)).toEqual([])
      })
    })

    it('a paused queue runs nothing until it is resumed', async () => {
      const queue = taskQueue(pausing.name, ENDINGS_SERVICE)
      await warren.pause(queue, { reason: 'the bank is closed' })
      expect(await warren.paused()).toMatchObject([{ queue, reason: 'the bank is closed' }])
      const handle = await warren.send(pausing, { does: ['return'] })
      await result(await warren.send(plain, { does: ['return'] }, { delayMs: 300 }))
      expect(runsOf(handle.id)).toEqual([])
      expect(await warren.resume(queue)).toBe(true)
      expect(await result(handle)).toEqual({ number: 1 })
    })

    it('events: queued, each start, each progress, each retry, and the end', async () => {
      const types = async (handle: Handle<unknown>): Promise<string[]> => {
        await result(handle).catch(() => undefined)
        const all: string[] = []
        for await (const event of handle.events({ timeoutMs: 30_000 })) all.push(event.type)
        return all
      }
      expect(await types(await warren.send(reporting, { steps: 2 }))).toEqual([
        ...['queued', 'started', 'progress', 'progress', 'done'],
      ])
      expect(await types(await warren.send(retried, { does: ['throw', 'return'] }))).toEqual([
        ...['queued', 'started', 'retry', 'started', 'done'],
      ])
    })

    it('a flow: its result, with each step run once, in order or beside each other', async () => {
      const one = (of: unknown) => step(collect, { of })
      const flowOf = async (part: FlowPart<unknown>): Promise<unknown> => {
        const flow: FlowHandle<unknown> = await warren.flows.start(part)
        return pass(flow.result({ timeoutMs: 30_000 }))
      }
      const taking = step(collect, {}, { into: 'of' })
      expect(await flowOf(chain(one(1), taking, taking))).toEqual({ of: { of: { of: 1 } } })
      expect(await flowOf(join([one(1), one(2)], taking))).toEqual({ of: [{ of: 1 }, { of: 2 }] })
      expect(await flowOf(group([]))).toEqual([])
      const diamond = graph()
        .step('a', collect, { of: 1 })
        .step('b', collect, { and: 2 }, { from: { of: 'a' } })
        .step('c', collect, { of: 3 }, { after: ['a'] })
        .step('d', collect, {}, { from: { of: 'b', and: 'c' } })
      const b = { of: { of: 1 }, and: 2 }
      expect(await flowOf(diamond)).toEqual({ a: { of: 1 }, b, c: { of: 3 }, d: { of: b, and: { of: 3 } } })
    })

    it('a flow whose step fails: failed, named; or continued, without what needs that step', async () => {
      const broken = graph()
        .step('a', collect, { of: 1, fails: true })
        .step('b', collect, {}, { from: { of: 'a' } })
        .step('c', collect, { of: 3 })
        .step('d', collect, {}, { from: { of: 'b', and: 'c' } })
      const failed = await warren.flows.start(broken)
      await expect(pass(failed.result({ timeoutMs: 30_000 }))).rejects.toMatchObject({
        ...{ code: 'FLOW_FAILED', reason: 'failed', member: { id: `${failed.id}.0`, task: collect.name } },
      })
      const continued = await warren.flows.start(broken, { onFailure: 'continue' })
      expect(await pass(continued.result({ timeoutMs: 30_000 }))).toEqual({ a: null, b: null, c: { of: 3 }, d: null })
      expect((await continued.members()).map(({ state }) => state)).toEqual([
        ...['failed', 'skipped', 'succeeded', 'skipped'],
      ])
    })

    it('each flow is reported as it starts, and as it ends, with the reason', async () => {
      const told: unknown[] = []
      const onStart = ({ flow, steps }: WarrenEvents['flowStarted'][0]) => told.push([flow, steps])
      const onEnd = ({ flow, state, reason, member, tookMs }: WarrenEvents['flowEnded'][0]) =>
        told.push([flow, state, reason, member?.task, tookMs >= 0])
      warren.on('flowStarted', onStart).on('flowEnded', onEnd)
      onTestFinished(() => void warren.off('flowStarted', onStart).off('flowEnded', onEnd))
      const good = await warren.flows.start(chain(step(collect, { of: 1 }), group([])))
      await pass(until(() => told.length >= 2))
      const bad = await warren.flows.start(step(collect, { of: 1, fails: true }))
      await pass(until(() => told.length >= 4))
      const stopped = await warren.flows.start(step(kept, { does: ['hang'] }))
      await stopped.cancel()
      await pass(until(() => told.length >= 6))
      expect(told).toEqual([
        ...[
          [good.id, 1],
          [good.id, 'succeeded', undefined, undefined, true],
        ],
        ...[
          [bad.id, 1],
          [bad.id, 'failed', 'failed', collect.name, true],
        ],
        ...[
          [stopped.id, 1],
          [stopped.id, 'cancelled', 'cancelled', undefined, true],
        ],
      ])
    })

    it('a flow that is cancelled, or past its deadline: ends so, whatever runs', async () => {
      const hanging = step(kept, { does: ['hang'] })
      const cancelled = await warren.flows.start(chain(hanging, step(collect, { of: 1 })))
      expect(await cancelled.cancel()).toBe('cancelled')
      await expect(pass(cancelled.result({ timeoutMs: 30_000 }))).rejects.toMatchObject({ reason: 'cancelled' })
      const late = await warren.flows.start(chain(hanging, step(collect, { of: 1 })), { deadlineMs: 1_000 })
      await expect(pass(late.result({ timeoutMs: 30_000 }))).rejects.toMatchObject({
        ...{ reason: 'deadline', member: { task: kept.name } },
      })
    })

    it('a schedule sends a task for each tick, under an id that both grounds compute alike', async () => {
      const schedules = warren.schedules({ service: ENDINGS_SERVICE })
      const { changed } = await schedules.upsert('each-second', {
        task: plain,
        input: { does: ['return'] },
        everyMs: 1_000,
      })
      expect(changed).toBe(true)
      await pass(until(async () => (await schedules.get('each-second'))?.last !== undefined))
      const { last } = (await schedules.get('each-second')) ?? {}
      expect(last?.id).toBe(schedules.taskId('each-second', last?.tick as Date))
      expect(await result(warren.handle(plain, last?.id as string))).toEqual({ number: 1 })
      expect(await schedules.remove('each-second')).toBe(true)
      await schedules.upsert('never', { task: plain, input: { does: ['return'] }, cron: '0 0 29 2 *' })
      expect(await result(warren.handle(plain, await schedules.trigger('never')))).toEqual({ number: 1 })
      await schedules.remove('never')
    })
  })
}

/** Resolves once it holds. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5))
}
