/**
 * The promise: Warren speaks Celery's wire, in both directions, with the real Python Celery at the other end.
 * The Python sides are test/support/python/client.py and worker.py; `npm test` installs what they need.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, TaskFailedError, type Warren } from '../../src/index.js'
import { clusterUrls, consuming, manage } from '../support/cluster.js'

/** Debian's own: another Python on the PATH would not see Debian's python3-celery. */
const PYTHON = '/usr/bin/python3'
const script = (name: string): string => fileURLToPath(new URL(`../support/python/${name}`, import.meta.url))

// Python takes seconds to import Celery on a busy machine.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const urls = clusterUrls()
const addresses = ['--broker', urls.broker, '--results', urls.results] as const

let warren: Warren

beforeAll(async () => {
  await promisify(execFile)(PYTHON, ['-c', 'import celery, redis']).catch((cause: unknown) => {
    throw new Error(
      'Python Celery is missing: run `node scripts/setup.mjs --tests`, or apt-get install python3-celery python3-redis',
      {
        cause,
      },
    )
  })
  warren = await connect({ broker: [urls.broker], results: urls.results })
})

afterAll(async () => {
  await warren?.close()
  // These tests are in the virtual host of the demo, which other tests look at as a whole.
  const queues = await manage<{ name: string }[]>('GET', '/queues/%2F')
  const own = queues.filter(({ name }) => name.includes('.python.'))
  await Promise.all(own.map(({ name }) => manage('DELETE', `/queues/%2F/${encodeURIComponent(name)}`)))
})

describe('A Python Celery client', () => {
  interface Report {
    readonly id: string
    readonly status: string
    readonly result?: unknown
    readonly error?: { readonly class: string; readonly message: string }
    readonly dateDone: string | null
  }

  class InsufficientFunds extends Error {
    override readonly name = 'InsufficientFunds'
  }

  const pay = defineTask({
    name: 'payment.python.pay',
    input: z.object({ customer: z.string(), amountCents: z.number().int() }),
    output: z.object({ invoiceId: z.string(), attempts: z.number() }),
    queue: { type: 'quorum' },
    retry: { maxAttempts: 2, initialDelayMs: 100 },
  })
  const seen: string[] = []

  /** Calls the task from Python and waits there for its result. */
  async function callFromPython(kwargs: Record<string, unknown>, ...more: readonly string[]): Promise<Report> {
    const { stdout } = await promisify(execFile)(PYTHON, [
      script('client.py'),
      ...addresses,
      ...more,
      pay.name,
      JSON.stringify(kwargs),
    ])
    return JSON.parse(stdout) as Report
  }

  beforeAll(async () => {
    const worker = warren.worker({ service: 'python-test' })
    worker.handle(pay, async ({ customer, amountCents }, attempt) => {
      seen.push(attempt.id)
      if (amountCents < 0) throw new InsufficientFunds(`${customer} lacks ${-amountCents} cents – Geld fehlt 🐇`)
      if (customer === 'second time' && attempt.number === 1) throw new Error('not yet')
      return { invoiceId: `${customer}-${amountCents}`, attempts: attempt.number }
    })
    await consuming(worker)
    return () => worker.stop()
  })

  it('calls a Warren worker on a quorum queue and reads its result from the store', async () => {
    const report = await callFromPython({ customer: 'Jörg', amountCents: 1200 })
    expect(report).toMatchObject({ status: 'SUCCESS', result: { invoiceId: 'Jörg-1200', attempts: 1 } })
    expect(Math.abs(Date.parse(report.dateDone ?? '') - Date.now())).toBeLessThan(30_000)
    expect(seen).toContain(report.id)
  })

  it('gets the result of a later attempt, past the state RETRY', async () => {
    const report = await callFromPython({ customer: 'second time', amountCents: 1 })
    expect(report).toMatchObject({ status: 'SUCCESS', result: { attempts: 2 } })
  })

  it("gets the handler's error as a Python exception of the same class name and message", async () => {
    const report = await callFromPython({ customer: 'c1', amountCents: -5 })
    expect(report).toMatchObject({
      status: 'FAILURE',
      error: { class: 'InsufficientFunds', message: 'c1 lacks 5 cents – Geld fehlt 🐇' },
    })
  })

  it('is told what is wrong with its input, positional arguments included, and no handler runs', async () => {
    const wrong = await callFromPython({ customer: 7, amountCents: 1200 })
    expect(wrong).toMatchObject({ status: 'FAILURE', error: { class: 'InputError' } })
    expect(wrong.error?.message).toContain('customer')
    const positional = await callFromPython({ customer: 'c1', amountCents: 1200 }, '--args', '["c1"]')
    expect(positional).toMatchObject({ status: 'FAILURE', error: { class: 'InputError' } })
    expect(positional.error?.message).toContain('positional')
    expect(seen).not.toContain(wrong.id)
    expect(seen).not.toContain(positional.id)
  })

  it('can ask for a later time (countdown)', async () => {
    const before = Date.now()
    const report = await callFromPython({ customer: 'later', amountCents: 1 }, '--countdown', '1.5')
    expect(report.status).toBe('SUCCESS')
    expect(Date.parse(report.dateDone ?? '') - before).toBeGreaterThanOrEqual(1_500)
  })
})

describe('A Warren producer', () => {
  const classic = { queue: { type: 'classic' } } as const
  const greet = defineTask({
    name: 'user.python.greet',
    input: z.object({ name: z.string() }),
    output: z.object({ greeting: z.string() }),
    ...classic,
  })
  const fail = defineTask({ name: 'user.python.fail', input: z.object({ reason: z.string() }), ...classic })
  const request = defineTask({ name: 'user.python.request', input: z.object({ a: z.number() }), ...classic })
  const RESULT = { timeoutMs: 20_000 }

  let python: ChildProcess

  beforeAll(async () => {
    python = spawn(PYTHON, [script('worker.py'), ...addresses], { stdio: ['ignore', 'pipe', 'pipe'] })
    let log = ''
    python.stderr?.on('data', (chunk: Buffer) => {
      log += chunk.toString()
    })
    const lines = createInterface({ input: python.stdout as NonNullable<typeof python.stdout> })
    const [line] = (await Promise.race([once(lines, 'line'), once(python, 'exit')])) as [unknown]
    if (line !== 'ready') throw new Error(`The Python worker did not start (${String(line)}):\n${log}`)
  })

  afterAll(async () => {
    if (python.exitCode !== null) return
    python.kill('SIGTERM')
    await once(python, 'exit')
  })

  it('calls a Python worker on a classic queue and reads its result', async () => {
    const handle = await warren.send(greet, { name: 'Jörg 🐇' })
    expect(await handle.result(RESULT)).toEqual({ greeting: 'Hello, Jörg 🐇' })
  })

  it("gets the Python exception's class name, message and traceback", async () => {
    const handle = await warren.send(fail, { reason: 'no greeting today' })
    const error = await handle.result(RESULT).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(TaskFailedError)
    expect(error).toMatchObject({ id: handle.id, errorClass: 'GreetingError' })
    expect((error as TaskFailedError).message).toContain('no greeting today')
    expect((error as TaskFailedError).traceback).toContain('worker.py')
  })

  it('is understood by the Python worker: id, first attempt, keyword arguments', async () => {
    const handle = await warren.send(request, { a: 1 })
    expect(await handle.result(RESULT)).toMatchObject({
      id: handle.id,
      correlationId: handle.id,
      retries: 0,
      kwargs: { a: 1 },
    })
  })
})
