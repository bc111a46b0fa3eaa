/**
 * The promise: a task that asks for it runs in a thread or a child process. A busy one costs no heartbeat, and one that
 * crashes is a failed attempt, not a dead worker.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, headers, type Warren } from '../../src/index.js'
import { type ClusterUrls, deadLetters, until, virtualHost } from '../support/cluster.js'

const WORKER = fileURLToPath(new URL('../support/isolatingWorker.mjs', import.meta.url))
const RESULT = { timeoutMs: 30_000 }
const BEHAVIOURS = ['return', 'busy', 'forever', 'throw', 'reject', 'exit', 'kill', 'uncaught'] as const
const MORE_BEHAVIOURS = ['dieAfterwards', 'heed', 'report', 'function'] as const

const input = z.object({
  does: z.array(z.enum([...BEHAVIOURS, ...MORE_BEHAVIOURS])),
  busyMs: z.number().optional(),
})
const output = z.object({
  pid: z.number(),
  threadId: z.number(),
  number: z.number(),
  redelivered: z.boolean(),
})
const isolations = (['thread', 'process'] as const).map((isolation) => ({
  isolation,
  task: defineTask({ name: `payment.isolation.${isolation}`, input, output }),
  limited: defineTask({ name: `payment.limited.${isolation}`, input, output }),
}))
const inline = defineTask({ name: 'payment.isolation.none', input, output: z.string() })

/** What the worker process tells; see `isolatingWorker.mjs`. */
interface Told {
  readonly kind: 'ready' | 'started' | 'connection' | 'log'
  readonly id?: string
  readonly state?: string
  readonly message?: string
}

class WorkerProcess {
  readonly child: ChildProcess
  readonly told: Told[] = []

  constructor(urls: ClusterUrls) {
    this.child = fork(WORKER, [urls.broker, urls.results], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    this.child.on('message', (message) => this.told.push(message as Told))
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  ready = () => until('a worker', () => this.told.some(({ kind }) => kind === 'ready'))
  runs = (id: string): number => this.told.filter((each) => each.kind === 'started' && each.id === id).length
  lostConnections = (): number =>
    this.told.filter(({ kind, state }) => kind === 'connection' && state === 'waiting').length

  async stop(): Promise<number> {
    const exit = once(this.child, 'exit')
    this.child.send('stop')
    return (await exit)[0]
  }
}

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
let worker: WorkerProcess
const others: WorkerProcess[] = []

beforeAll(async () => {
  urls = await virtualHost('isolation', [...isolations.flatMap(({ task, limited }) => [task, limited]), inline])
  warren = await connect({ broker: urls.broker, results: urls.results, logger: false })
  worker = new WorkerProcess(urls)
  await worker.ready()
})
afterEach(() => {
  for (const { child } of others.splice(0)) child.kill('SIGKILL')
})
afterAll(async () => {
  worker?.child.kill('SIGKILL')
  await warren?.close()
})

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function deadLetterOf(id: string): Promise<Record<string, unknown>> {
  let found: Record<string, unknown> | undefined
  await until(`a dead letter of ${id}`, async () => {
    const all = await deadLetters(urls.vhost, 'payment.dlq')
    found = all.find(({ properties }) => properties.message_id === id)?.properties.headers
    return found !== undefined
  })
  return found ?? {}
}

/** Sends a task that reports where it runs, and waits for that report. */
async function reporting(task: (typeof isolations)[number]['task'], does: 'report' | 'forever', busyMs = 0) {
  const handle = await warren.send(task, { does: [does], busyMs })
  let where: { pid: number } | undefined
  await until('its progress', async () => {
    const state = await handle.state()
    if (state?.status === 'PROGRESS') where = z.object({ pid: z.number() }).parse(state.result)
    return where !== undefined
  })
  return { handle, pid: where?.pid ?? 0 }
}

describe.each(isolations)('In a $isolation', ({ isolation, task, limited }) => {
  it('a handler returns its result, from outside the worker’s own thread', async () => {
    const found = await (await warren.send(task, { does: ['return'] })).result(RESULT)
    expect(found).toMatchObject({ number: 1, redelivered: false })
    if (isolation === 'thread') expect(found.threadId).toBeGreaterThan(0)
    else expect(found.pid).not.toBe(worker.child.pid)
  })

  it('a busy loop of four heartbeats loses no connection, and runs once', async () => {
    const handle = await warren.send(task, { does: ['busy'], busyMs: 4_000 })
    await handle.result(RESULT)
    expect(worker.runs(handle.id)).toBe(1)
    expect(worker.lostConnections()).toBe(0)
  })

  it.each(isolation === 'thread' ? (['exit', 'uncaught'] as const) : (['exit', 'kill', 'uncaught'] as const))(
    'a crash (%s) is a failed attempt: it is retried, and the worker and its other attempts go on',
    async (crash) => {
      const neighbour = await warren.send(task, { does: ['busy'], busyMs: 1_000 })
      const handle = await warren.send(task, { does: [crash, 'return'] })
      expect(await handle.result(RESULT)).toMatchObject({ number: 2 })
      expect(await neighbour.result(RESULT)).toMatchObject({ number: 1 })
      expect(worker.runs(handle.id)).toBe(2)
      expect(worker.runs(neighbour.id)).toBe(1)
      expect(worker.alive).toBe(true)
      expect(worker.lostConnections()).toBe(0)
    },
  )

  it('a crash with no attempts left is dead-lettered', async () => {
    const handle = await warren.send(task, { does: ['exit'] })
    await expect(handle.result(RESULT)).rejects.toMatchObject({ errorClass: 'IsolateDiedError' })
    expect(await deadLetterOf(handle.id)).toMatchObject({
      [headers.reason]: 'failed',
      [headers.errorClass]: 'IsolateDiedError',
      [headers.attempts]: 2,
    })
  })

  it('what dies after its attempt takes none of the next ones with it', async () => {
    const handles = []
    for (let i = 0; i < 10; i++) handles.push(await warren.send(task, { does: ['dieAfterwards'] }))
    const results = await Promise.all(handles.map((handle) => handle.result(RESULT)))
    expect(results.map(({ number }) => number)).toEqual(Array(10).fill(1))
  })

  it('a busy loop without end is ended at its time limit, and others go on', async () => {
    const { handle, pid } = await reporting(limited, 'forever')
    await expect(handle.result(RESULT)).rejects.toMatchObject({ errorClass: 'TimeLimitError' })
    if (isolation === 'process') await until('the end of the process', () => !isAlive(pid))
    expect(await (await warren.send(limited, { does: ['return'] })).result(RESULT)).toMatchObject({ number: 1 })
    expect(worker.alive).toBe(true)
  })

  it('a busy loop without end is ended when its task is cancelled: no retry, and others go on', async () => {
    const { handle, pid } = await reporting(task, 'forever')
    expect(await handle.cancel()).toMatchObject({ outcome: 'cancelled' })
    await expect(handle.result(RESULT)).rejects.toMatchObject({ errorClass: 'TaskRevokedError' })
    if (isolation === 'process') await until('the end of the process', () => !isAlive(pid))
    expect(await (await warren.send(task, { does: ['return'] })).result(RESULT)).toMatchObject({ number: 1 })
    expect(worker.runs(handle.id)).toBe(1)
    expect(await handle.state()).toMatchObject({ status: 'REVOKED' })
  })

  it('a handler that heeds its signal keeps its isolate past a time limit', async () => {
    const before = await (await warren.send(limited, { does: ['return'] })).result(RESULT)
    const handle = await warren.send(limited, { does: ['heed'] })
    await expect(handle.result(RESULT)).rejects.toMatchObject({ errorClass: 'TimeLimitError' })
    const after = await (await warren.send(limited, { does: ['return'] })).result(RESULT)
    expect({ pid: after.pid, threadId: after.threadId }).toEqual({ pid: before.pid, threadId: before.threadId })
  })

  it('an error keeps its class, text and stack; Reject is honoured', async () => {
    const thrown = await warren.send(task, { does: ['throw'] })
    await expect(thrown.result(RESULT)).rejects.toMatchObject({
      errorClass: 'OddError',
      message: expect.stringContaining('attempt 2 was told to fail'),
      traceback: expect.stringContaining('isolated.mjs'),
    })
    const rejected = await warren.send(task, { does: ['reject'] })
    await expect(rejected.result(RESULT)).rejects.toMatchObject({ errorClass: 'Reject' })
    expect(await deadLetterOf(rejected.id)).toMatchObject({ [headers.reason]: 'rejected', [headers.attempts]: 1 })
  })

  it('a result that cannot be copied is a failed attempt that says so', async () => {
    const handle = await warren.send(limited, { does: ['function'] })
    await expect(handle.result(RESULT)).rejects.toMatchObject({ errorClass: 'NotCloneableError' })
  })

  it('progress and log lines come through', async () => {
    const { handle } = await reporting(task, 'report', 1_000)
    await handle.result(RESULT)
    expect(worker.told).toContainEqual({
      kind: 'log',
      fields: expect.objectContaining({ half: true, id: handle.id }),
      message: 'half way',
    })
  })

  it('stopping waits for it, whatever signal it gets itself, and leaves nothing behind', async () => {
    await worker.stop()
    worker = new WorkerProcess(urls)
    await worker.ready()
    const { handle, pid } = await reporting(task, 'report', 1_500)
    // As Ctrl-C does, and a supervisor that signals every process of a group.
    if (isolation === 'process') for (const signal of ['SIGINT', 'SIGTERM'] as const) process.kill(pid, signal)
    expect(await worker.stop()).toBe(0)
    expect(await handle.result(RESULT)).toMatchObject({ number: 1 })
    expect(worker.runs(handle.id)).toBe(1)
    expect(isAlive(pid)).toBe(false)
    worker = new WorkerProcess(urls)
    await worker.ready()
  })
})

it('A child process in a busy loop does not outlive a worker that is killed', async () => {
  const processes = isolations[1] as (typeof isolations)[number]
  const { pid } = await reporting(processes.limited, 'forever')
  worker.child.kill('SIGKILL')
  await until('the end of the child process', () => !isAlive(pid))
  worker = new WorkerProcess(urls)
  await worker.ready()
})

it('Without isolation the same busy loop loses the connection, and the message runs again', async () => {
  const handle = await warren.send(inline, { does: ['busy'], busyMs: 4_000 })
  await until('the second run', () => worker.runs(handle.id) > 1)
  expect(worker.lostConnections()).toBeGreaterThan(0)
})
