/**
 * The promise: on quorum queues Warren and Celery call each other, with delays, deadlines, groups, stamps, and values of
 * Python's own types, whichever Celery is installed. What only later ones have is tested there.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, taskQueue, type Warren } from '../../src/index.js'
import { type ClusterUrls, consuming, manage, virtualHost } from '../support/cluster.js'

/** Debian's own: another Python on the PATH would not see Debian's python3-celery. */
const PYTHON = '/usr/bin/python3'
const script = (name: string): string => fileURLToPath(new URL(`../support/python/${name}`, import.meta.url))
const SERVICE = 'celery-quorum'
const RESULT = { timeoutMs: 30_000 }

// Python takes seconds to import Celery on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const called = defineTask({
  name: 'payment.called.task',
  input: z.object({ name: z.string() }).catchall(z.unknown()),
})

interface Report {
  readonly id: string
  readonly status: string
  readonly result?: unknown
  readonly error?: string
}

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
let celery: readonly [number, number]
const startedAt = new Map<string, number>()

const addresses = (): string[] => ['--broker', urls.broker, '--results', urls.results]
const python = (...args: readonly string[]) => promisify(execFile)(PYTHON, args)

beforeAll(async () => {
  const { stdout } = await python('-c', 'import celery, redis; print(celery.__version__)')
  const [major = 0, minor = 0] = stdout.split('.').map(Number)
  celery = [major, minor]
  urls = await virtualHost(SERVICE, [called])
  warren = await connect({ broker: [urls.broker], results: urls.results, logger: false })
})
afterAll(() => warren?.close())

const since = (major: number, minor: number): boolean =>
  celery[0] > major || (celery[0] === major && celery[1] >= minor)

/** A worker whose handler returns its input, and notes when each task began. */
async function worker() {
  const made = warren.worker({ service: SERVICE, concurrency: 10 })
  made.handle(called, (input, { id }) => {
    startedAt.set(id, Date.now())
    return input
  })
  await consuming(made)
  return made
}

async function calls(...more: readonly string[]): Promise<Record<string, readonly Report[]>> {
  const queue = taskQueue(called.name, SERVICE)
  const { stdout } = await python(script('calls.py'), ...addresses(), '--queue', queue, ...more, called.name)
  return JSON.parse(stdout) as Record<string, readonly Report[]>
}

const results = (reports: readonly Report[] | undefined): unknown[] =>
  (reports ?? []).map(({ result, status, error }) => [status, error ?? result])

describe('A Celery client calls a Warren worker', () => {
  it('with a delay, a deadline, a group, stamps, datetime and UUID', async () => {
    const running = await worker()
    const before = Date.now()
    // Later ones delay by levels of their own, which this virtual host does not have yet, and refuse to send without them.
    const some = ['plain', 'expires', 'group', 'stamped', 'values'].flatMap((name) => ['--only', name])
    const all = await calls(...(since(5, 5) ? some : []))
    await running.stop()
    expect(results(all.plain)).toEqual([['SUCCESS', { name: 'plain' }]])
    expect(results(all.expires)).toEqual([['SUCCESS', { name: 'expires' }]])
    expect(results(all.stamped)).toEqual([['SUCCESS', { name: 'stamped' }]])
    expect(results(all.group)).toEqual([0, 1, 2].map((n) => ['SUCCESS', { name: `group-${n}` }]))
    expect(results(all.values)).toEqual([
      [
        'SUCCESS',
        {
          name: 'values',
          // Earlier ones write `Z`.
          at: expect.stringMatching(/^2026-11-24T10:52:21\.123456(\+00:00|Z)$/),
          key: '6f1f2a4e-3f9c-4b7e-9f37-0d2f6d6b1a01',
        },
      ],
    ])
    if (since(5, 5)) return
    expect(results(all.countdown)).toEqual([['SUCCESS', { name: 'countdown' }]])
    expect((startedAt.get(all.countdown?.[0]?.id ?? '') ?? 0) - before).toBeGreaterThanOrEqual(2_000)
  })

  it("with a delay by Celery's own levels, where a Celery worker has declared them: not early, and origin and task are known", async (context) => {
    if (!since(5, 5)) return context.skip()
    await calls('--levels', '--only', 'none')
    const running = await worker()
    const before = Date.now()
    const all = await calls('--only', 'countdown')
    await running.stop()
    expect(results(all.countdown)).toEqual([['SUCCESS', { name: 'countdown' }]])
    expect((startedAt.get(all.countdown?.[0]?.id ?? '') ?? 0) - before).toBeGreaterThanOrEqual(2_000)
  })
})

describe('A Warren producer calls a Celery worker on a quorum queue', () => {
  const echo = defineTask({ name: 'payment.remote.echo', input: z.object({ n: z.number() }) })
  const values = defineTask({
    name: 'payment.remote.values',
    input: z.object({}),
    output: z.object({ at: z.coerce.date(), key: z.uuid() }),
  })
  let remote: ChildProcess | undefined

  beforeAll(async () => {
    if (!since(5, 5)) return
    remote = spawn(PYTHON, [script('quorum_worker.py'), ...addresses()], { stdio: ['ignore', 'pipe', 'pipe'] })
    let log = ''
    remote.stderr?.on('data', (chunk: Buffer) => {
      log += chunk.toString()
    })
    const lines = createInterface({ input: remote.stdout as NonNullable<typeof remote.stdout> })
    const [line] = (await Promise.race([once(lines, 'line'), once(remote, 'exit')])) as [unknown]
    if (line !== 'ready') throw new Error(`The Python worker did not start (${String(line)}):\n${log}`)
    const { type } = await manage<{ type: string }>('GET', `/queues/${urls.vhost}/payment.remote.python`)
    expect(type).toBe('quorum')
  })
  afterAll(async () => {
    if (remote === undefined || remote.exitCode !== null) return
    remote.kill('SIGTERM')
    await once(remote, 'exit')
  })

  it('with a deadline, and many at once', async (context) => {
    if (!since(5, 5)) return context.skip()
    const expires = new Date(Date.now() + 60_000)
    const handle = await warren.send(echo, { n: 0 }, { expires })
    expect(await handle.result(RESULT)).toMatchObject({ id: handle.id, kwargs: { n: 0 } })
    const handles: { id: string; result(options: object): Promise<unknown> }[] = []
    await warren.sendMany(
      echo,
      [1, 2, 3].map((n) => ({ n })),
      { onSent: (each) => void handles.push(each) },
    )
    const all = await Promise.all(handles.map((each) => each.result(RESULT)))
    expect(all.map((each) => (each as { kwargs: { n: number } }).kwargs.n)).toEqual([1, 2, 3])
  })

  it('and reads datetime and UUID in its result', async (context) => {
    if (!since(5, 5)) return context.skip()
    const handle = await warren.send(values, {})
    expect(await handle.result(RESULT)).toEqual({
      at: new Date('2026-11-24T10:52:21.123Z'),
      key: '6f1f2a4e-3f9c-4b7e-9f37-0d2f6d6b1a01',
    })
  })
})
