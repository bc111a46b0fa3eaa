/** `warren/testing`: what it adds to a Warren. How messages end in it is in `endingsSpec.test.ts`. */
import { AssertionError } from 'node:assert'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask, InputError, OutputError, TimeLimitError } from '../../src/index.js'
import { expectNotSent, expectSent, runHandler, testAttempt, testWarren } from '../../src/testing/index.js'
import { parseLua } from '../../src/testing/luaParser.js'
import { LuaError } from '../../src/testing/luaValue.js'
import { MemoryStore } from '../../src/testing/store.js'
import { Warren } from '../../src/warren.js'

const task = defineTask({
  name: 'user.kit.task',
  input: z.object({ n: z.coerce.number(), list: z.array(z.object({ a: z.number(), b: z.number() })).optional() }),
  output: z.object({ twice: z.number() }),
  timeoutMs: 1_000,
})
const started = async (now?: Date) => {
  const warren = await testWarren(now === undefined ? {} : { now })
  const worker = warren.worker({ service: 'kit', concurrency: 2 })
  return { warren, worker }
}

describe('runHandler', () => {
  it('parses the input, gives an attempt, and parses the output', async () => {
    const attempt = testAttempt(task, { id: 'one', number: 3, redelivered: true })
    const ran = runHandler(
      task,
      async ({ n }, { id, number, redelivered, log, progress }) => {
        log.info({ id }, 'began')
        await progress({ half: n / 2 })
        return { twice: n * 2 + number + Number(redelivered) }
      },
      { n: '4' },
      attempt,
    )
    expect(await ran).toEqual({ twice: 12 })
    expect(attempt.reported).toEqual([{ half: 2 }])
    expect(attempt.logged).toEqual([{ level: 'info', fields: { id: 'one' }, message: 'began' }])
  })

  it('rejects with what the handler throws, and with what fits no schema', async () => {
    const boom = new RangeError('boom')
    await expect(runHandler(task, () => Promise.reject(boom), { n: 1 })).rejects.toBe(boom)
    await expect(runHandler(task, () => ({ twice: 1 }), { n: 'x' })).rejects.toThrow(InputError)
    await expect(runHandler(task, () => ({ twice: 'x' }) as never, { n: 1 })).rejects.toThrow(OutputError)
  })

  it('ends when its signal is aborted, whether the handler heeds it or not', async () => {
    const attempt = testAttempt(task)
    const ran = runHandler(task, () => new Promise(() => undefined), { n: 1 }, attempt)
    attempt.abort(new TimeLimitError(task.name, 1_000))
    await expect(ran).rejects.toThrow(TimeLimitError)
  })

  it('a thousand of them take less than five seconds of the processor', async () => {
    const before = process.cpuUsage()
    for (let n = 0; n < 1_000; n++) {
      const attempt = testAttempt(task, { id: `task-${n}` })
      expect(await runHandler(task, (input) => ({ twice: input.n * 2 }), { n }, attempt)).toEqual({ twice: n * 2 })
    }
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1_000).toBeLessThan(5_000)
  })
})

describe('testWarren', () => {
  it('is a Warren, refuses options that it does not know, and closes twice', async () => {
    const { warren, worker } = await started()
    expect(warren).toBeInstanceOf(Warren)
    await worker.handle(task, ({ n }) => ({ twice: n * 2 })).start()
    await warren.close()
    await warren.close()
    expect(worker.state).toBe('stopped')
    await expect(testWarren({ nwo: new Date() } as never)).rejects.toThrow('did you mean `now`')
  })

  it('the clock stands still, and moves what is due in its order', async () => {
    const { warren, worker } = await started(new Date('2030-01-01T00:00:00Z'))
    const ran: [number, string][] = []
    worker.handle(task, ({ n }) => {
      ran.push([n, warren.now.toISOString()])
      return { twice: 0 }
    })
    await worker.start()
    await warren.send(task, { n: 2 }, { at: new Date('2030-01-03T00:00:00Z') })
    await warren.send(task, { n: 1 }, { at: new Date('2030-01-02T00:00:00Z') })
    await warren.idle()
    expect(ran).toEqual([])
    await warren.advanceTo(new Date('2030-01-02T12:00:00Z'))
    expect(ran).toEqual([[1, '2030-01-02T00:00:00.000Z']])
    await warren.advance(12 * 3_600_000)
    expect(ran[1]).toEqual([2, '2030-01-03T00:00:00.000Z'])
    await expect(warren.advance(-1)).rejects.toThrow('ms')
    await warren.close()
  })

  it('a schedule ticks each day at six in Berlin, over a change of the clocks', async () => {
    const { warren, worker } = await started(new Date('2030-03-29T12:00:00Z'))
    await worker.handle(task, ({ n }) => ({ twice: n * 2 })).start()
    const ticks: string[] = []
    worker.on('tick', ({ tick, action }) => ticks.push(`${action} ${tick.toISOString()}`))
    await warren.schedules().upsert('daily', { task, input: { n: 1 }, cron: '0 6 * * *', timeZone: 'Europe/Berlin' })
    await warren.advance(3 * 24 * 3_600_000)
    expect(ticks).toEqual([
      ...['sent 2030-03-30T05:00:00.000Z', 'sent 2030-03-31T04:00:00.000Z', 'sent 2030-04-01T04:00:00.000Z'],
    ])
    await warren.close()
  })

  it('a message waits for the next worker, and a grace period that is over puts it back', async () => {
    const { warren, worker } = await started()
    await worker.handle(task, () => new Promise(() => undefined)).start()
    const handle = await warren.send(task, { n: 4 })
    await warren.idle()
    expect(worker.health()).toMatchObject({ ready: true, running: 1 })
    await worker.stop({ gracePeriodMs: 0 })
    const next = warren.worker({ service: 'kit' })
    await next.handle(task, ({ n }, { redelivered }) => ({ twice: n * 2 + Number(redelivered) })).start()
    expect(await handle.result()).toEqual({ twice: 9 })
    await warren.close()
  })

  it('tasks with priorities and tasks in order have all of their queues', async () => {
    const { warren, worker } = await started()
    const input = z.object({ key: z.string(), n: z.number() })
    const urgent = defineTask({ name: 'user.kit.urgent', input, priority: true })
    const ordered = defineTask({
      ...{ name: 'user.kit.ordered', input, order: { key: ({ key }: { key: string }) => key, partitions: 3 } },
    })
    const ran: string[] = []
    worker.handle(urgent, ({ n }) => void ran.push(`urgent ${n}`))
    worker.handle(ordered, async ({ key, n }) => {
      await new Promise((resolve) => setImmediate(resolve))
      ran.push(`${key}${n}`)
    })
    await worker.start()
    const high = await warren.send(urgent, { key: '', n: 1 }, { priority: 'high' })
    const sent = ['a', 'b', 'c', 'd'].flatMap((key) => [1, 2, 3].map((n) => warren.send(ordered, { key, n })))
    await Promise.all([high, ...(await Promise.all(sent))].map((handle) => handle.result()))
    for (const key of ['a', 'b', 'c', 'd']) {
      expect(ran.filter((each) => each.startsWith(key))).toEqual([1, 2, 3].map((n) => `${key}${n}`))
    }
    await warren.close()
  })

  it('runs no more handlers at a time than its worker may', async () => {
    const { warren, worker } = await started()
    let [running, most] = [0, 0]
    worker.handle(task, async ({ n }) => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      running--
      return { twice: n }
    })
    await worker.start()
    const handles = await Promise.all(Array.from({ length: 20 }, (_, n) => warren.send(task, { n })))
    await Promise.all(handles.map((handle) => handle.result()))
    expect(most).toBe(2)
    await warren.close()
  })
})

describe('Limits', () => {
  const input = z.object({ key: z.string(), n: z.number() })
  const key = (given: { key: string }): string => given.key

  it('a rate goes by the clock of the test, for all of a task and for each key', async () => {
    const rate = { count: 2, perMs: 1_000 }
    const whole = defineTask({ name: 'user.kit.whole', input, limit: { rate } })
    const keyed = defineTask({ name: 'user.kit.keyed', input, limit: { rate, key } })
    const warren = await testWarren()
    const ran: string[] = []
    const worker = warren.worker({ service: 'kit', concurrency: 20 })
    worker.handle(whole, ({ n }) => void ran.push(`whole ${n}`))
    worker.handle(keyed, ({ key, n }) => void ran.push(`${key} ${n}`))
    await worker.start()
    for (let n = 0; n < 7; n++) {
      await warren.send(whole, { key: 'any', n })
      await warren.send(keyed, { key: 'a', n })
      if (n === 0) await warren.send(keyed, { key: 'b', n })
    }
    await warren.idle()
    expect([...ran].sort()).toEqual(['a 0', 'b 0', 'whole 0'])
    expect(warren.sent(keyed).every(({ due }) => due === undefined)).toBe(true)
    await warren.advance(1_010)
    expect([...ran].sort()).toEqual(['a 0', 'a 1', 'a 2', 'b 0', 'whole 0', 'whole 1', 'whole 2'])
    await warren.advance(2_000)
    expect(ran.length).toBe(15)
    await warren.close()
  })

  it('a burst starts at once, of all of a task and of each key, and again after a rest', async () => {
    const rate = { count: 2, perMs: 1_000, burst: 3 }
    const whole = defineTask({ name: 'user.kit.wholeBurst', input, limit: { rate } })
    const keyed = defineTask({ name: 'user.kit.keyedBurst', input, limit: { rate, key } })
    const warren = await testWarren()
    const ran: string[] = []
    const worker = warren.worker({ service: 'kit', concurrency: 20 })
    worker.handle(whole, ({ n }) => void ran.push(`whole ${n}`))
    worker.handle(keyed, ({ key, n }) => void ran.push(`${key} ${n}`))
    await worker.start()
    const count = (of: string): number => ran.filter((each) => each.startsWith(of)).length
    for (let n = 0; n < 10; n++) {
      await warren.send(whole, { key: 'any', n })
      await warren.send(keyed, { key: 'a', n })
      if (n < 5) await warren.send(keyed, { key: 'b', n })
    }
    await warren.idle()
    expect([count('whole'), count('a'), count('b')]).toEqual([3, 3, 3])
    await warren.advance(1_010)
    expect([count('whole'), count('a'), count('b')]).toEqual([5, 5, 5])
    await warren.advance(60_000)
    expect(ran.length).toBe(25)
    for (let n = 10; n < 15; n++) await warren.send(keyed, { key: 'a', n })
    await warren.idle()
    expect(count('a')).toBe(13)
    await warren.close()
  })

  it('a place is free when its handler has ended, and is renewed while the clock moves', async () => {
    const placed = defineTask({ name: 'user.kit.placed', input, limit: { concurrency: 1, key, leaseMs: 2_000 } })
    const warren = await testWarren()
    const worker = warren.worker({ service: 'kit', concurrency: 20 })
    const ends: (() => void)[] = []
    const fences: (number | undefined)[] = []
    worker.handle(placed, async (_, { fence }) => {
      fences.push(fence)
      await new Promise<void>((resolve) => ends.push(resolve))
    })
    await worker.start()
    for (let n = 0; n < 2; n++) await warren.send(placed, { key: 'a', n })
    await warren.idle()
    await warren.advance(8_000)
    expect(ends.length).toBe(1)
    ends[0]?.()
    await warren.idle()
    await warren.advance(8_000)
    expect(ends.length).toBe(2)
    expect(fences[1]).toBeGreaterThan(fences[0] as number)
    ends[1]?.()
    await warren.close()
  })
})

describe('expectSent', () => {
  it('finds by a part of the input, and shows what was sent instead', async () => {
    const warren = await testWarren({ services: { kit: [task] } })
    expect(() => expectSent(warren, task)).toThrow('expected user.kit.task to be sent, and it was not')
    const list = [{ a: 1, b: 2 }]
    const { id } = await warren.send(task, { n: 1, list }, { delayMs: 5_000, unique: { key: 'k' } })
    expect(expectSent(warren, task, { list })).toMatchObject({ id, unique: 'k', input: { n: 1, list } })
    expect(expectSent(warren, task).due).toEqual(new Date(warren.now.getTime() + 5_000))
    expect(() => expectSent(warren, task, { n: 2 })).toThrow(AssertionError)
    expectNotSent(warren, task, { n: 2 })
    expect(() => expectNotSent(warren, task)).toThrow(id)
    warren.forgetSent()
    expect(warren.sent()).toEqual([])
    await warren.close()
  })
})

describe('The scripts in memory', () => {
  const store = new MemoryStore({ now: () => 1_700_000_000_123 })
  const run = (lua: string, ...given: string[]) => store.run(lua, ['key'], given)

  it.each<[string, unknown]>([
    ["return string.match('12-34', '^(%d+)-(%d+)$')", '12'],
    ["return { string.find('a.b', '.', 1, true) }", [2, 2]],
    ['local n = 0 for i = 10, 1, -3 do n = n + i end return n', 22],
    ['local t = {} for k, v in pairs({ a = 1 }) do t[1] = k .. v end return t', ['a1']],
    ['local i = 0 repeat i = i + 1 if i == 3 then break end until false return i', 3],
    ["return string.format('%.0f:%s', 12345678901234, 'x')", '12345678901234:x'],
    ['return { 1, 2.9, true, nil, 5 }', [1, 2, 1]],
    ["return redis.call('SET', 'key', 'v', 'PX', 10, 'NX')", 'OK'],
    ["return redis.call('GET', 'none')", null],
    ["return redis.pcall('HGET', 'key', 'f').err", 'WRONGTYPE Operation against a key holding the wrong kind of value'],
    ["return redis.call('TIME')", ['1700000000', '123000']],
  ])('%s', (lua, answer) => {
    const got = run(lua)
    expect(typeof got === 'object' && got !== null && 'ok' in got ? got.ok : got).toEqual(answer)
  })

  it('what it does not know it refuses with the line', () => {
    expect(() => parseLua('local a = 1\ngoto over')).toThrow('line 2')
    expect(() => run('return nothing()')).toThrow(LuaError)
    expect(() => run("return redis.call('GEOADD')")).toThrow("unknown command 'geoadd'")
  })
})
