/** The promise: the tools that Celery shops look with see Warren's workers and steer them. Run with Celery's own command line. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { connect as amqpConnect } from 'amqplib'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { connect, defineTask, type Logger, type Warren, type Worker } from '../../src/index.js'
import { celeryControlQueue } from '../../src/wire/names.js'
import { type ClusterUrls, clusterUrls, consuming, manage, until, virtualHost } from '../support/cluster.js'

/** Debian's own: another Python on the PATH would not see Debian's python3-celery. */
const PYTHON = '/usr/bin/python3'
const TOOLS = fileURLToPath(new URL('../support/python/tools.py', import.meta.url))
const SERVICE = 'tools'
const input = z.object({ customer: z.string() })
const slow = defineTask({ name: 'payment.tools.slow', input })
const quick = defineTask({
  name: 'payment.tools.quick',
  input,
  output: z.string(),
  retry: { maxAttempts: 2, initialDelayMs: 50 },
})

// Python takes seconds to import Celery on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
const warnings: string[] = []
const silent = () => undefined
const logger: Logger = { debug: silent, info: silent, warn: (_, message) => warnings.push(message), error: silent }
const stopping: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  urls = await virtualHost(SERVICE, [slow, quick])
  warren = await connect({ broker: urls.broker, results: urls.results, logger })
})
afterEach(async () => {
  for (const stop of stopping.splice(0)) await stop()
})
afterAll(() => warren?.close())

/** Runs `celery …`, one after the other. */
async function celery(...commands: readonly (readonly string[])[]): Promise<{ code: number; output: string }[]> {
  const { stdout } = await promisify(execFile)(PYTHON, [TOOLS, urls.broker, JSON.stringify(commands)])
  return JSON.parse(stdout) as { code: number; output: string }[]
}

/** The answer of the one node there is. */
function answerOf(ran: { output: string } | undefined): { readonly node: string; readonly answer: unknown } {
  const [[node, answer] = ['', undefined], ...more] = Object.entries(
    JSON.parse(ran?.output.trim().split('\n')[0] ?? '{}') as object,
  )
  if (more.length > 0) throw new Error(`expected one node, got ${ran?.output}`)
  return { node, answer }
}

/** The node names that RabbitMQ has queues for. */
async function nodes(): Promise<string[]> {
  const queues = await manage<{ name: string }[]>('GET', `/queues/${urls.vhost}`)
  return queues.flatMap(({ name }) => (name.endsWith('.celery.pidbox') ? [name.replace('.celery.pidbox', '')] : []))
}

async function started(worker: Worker): Promise<string> {
  stopping.push(() => worker.stop({ gracePeriodMs: 0 }))
  await consuming(worker)
  let found: string[] = []
  await until('the node', async () => {
    found = await nodes()
    return found.length === 1
  })
  return found[0] as string
}

describe('celery inspect', () => {
  it('shows what a worker is, what it holds, and celery control revoke cancels', async () => {
    const worker = warren.worker({ service: SERVICE, concurrency: 1, prefetch: 10 })
    const aborted: string[] = []
    worker.handle(slow, (_, { id, signal }) => {
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          aborted.push(id)
          reject(signal.reason)
        })
      })
    })
    worker.handle(quick, () => 'done')
    const node = await started(worker)
    const running = await warren.send(slow, { customer: 'Jörg' })
    const waiting = await warren.send(slow, { customer: 'c2' })
    await until('it runs, and the other is held', () => worker.health().running === 1 && worker.health().held === 2)
    const later = await warren.send(slow, { customer: 'c3' }, { delayMs: 1_400 })
    const commands = ['ping', 'stats', 'active', 'registered', 'reserved', 'active_queues', 'conf', 'clock']
    const [scheduled, ...rest] = await celery(
      ['inspect', 'scheduled', '-d', node, '--json'],
      ...commands.map((command) => ['inspect', command, ...(command === 'ping' ? [] : ['-d', node]), '--json']),
      ['inspect', 'query_task', '-d', node, '--json', running.id, waiting.id],
      ['control', 'revoke', '-d', node, running.id],
      ['inspect', 'revoked', '-d', node, '--json'],
      ['status', '--json'],
    )
    const [ping, stats, active, registered, reserved, queues, conf, clock, query, revoke, revoked, status] = rest
    expect(answerOf(ping)).toEqual({ node, answer: { ok: 'pong' } })
    expect(node).toContain(`${SERVICE}-${process.pid}`)
    expect(answerOf(stats).answer).toMatchObject({
      pid: process.pid,
      pool: { 'max-concurrency': 1, processes: [process.pid] },
      broker: { transport: 'amqp', virtual_host: urls.vhost },
      prefetch_count: 20,
      total: {},
    })
    const info = {
      name: slow.name,
      type: slow.name,
      hostname: node,
      acknowledged: false,
      worker_pid: process.pid,
      args: [],
    }
    expect(answerOf(active).answer).toEqual([
      {
        ...info,
        id: running.id,
        kwargs: { customer: 'Jörg' },
        time_start: expect.any(Number),
        delivery_info: { exchange: 'payment.commands', routing_key: slow.name, redelivered: false, priority: null },
      },
    ])
    expect(answerOf(registered).answer).toEqual([quick.name, slow.name])
    expect(answerOf(reserved).answer).toEqual(
      expect.arrayContaining([expect.objectContaining({ ...info, id: waiting.id, time_start: null })]),
    )
    const held = [answerOf(scheduled).answer, answerOf(reserved).answer].flat() as Record<string, unknown>[]
    expect(
      held.some((each) => each.id === later.id || (each.request as { id?: string } | undefined)?.id === later.id),
    ).toBe(true)
    expect(answerOf(queues).answer).toEqual(
      [slow, quick].map(({ name }) =>
        expect.objectContaining({ name: `${name}.${SERVICE}`, routing_key: name, exchange: expect.any(Object) }),
      ),
    )
    expect(answerOf(conf).answer).toMatchObject({ worker_concurrency: 1, task_acks_late: true })
    expect(conf?.output).not.toContain('password')
    expect(answerOf(clock).answer).toEqual({ clock: expect.any(Number) })
    expect(answerOf(query).answer).toMatchObject({
      [running.id]: ['active', { id: running.id }],
      [waiting.id]: ['reserved', { id: waiting.id }],
    })
    expect(revoke?.output).toContain('OK')
    await expect(running.result({ timeoutMs: 20_000 })).rejects.toMatchObject({ code: 'TASK_FAILED' })
    expect(aborted).toContain(running.id)
    expect((await running.state())?.status).toBe('REVOKED')
    expect(answerOf(revoked).answer).toContain(running.id)
    expect(answerOf(status).answer).toEqual({ ok: 'pong' })
  })
})

describe('celery events --dump', () => {
  it('shows the workers, and tasks once they are enabled; when nobody watches any more, nothing is sent', async () => {
    const worker = warren.worker({ service: SERVICE, concurrency: 1 })
    worker.handle(quick, ({ customer }, { number }) => {
      if (customer === 'never') throw new RangeError('does not work')
      if (customer === 'second' && number === 1) throw new RangeError('not yet')
      return `for ${customer}`
    })
    const node = await started(worker)
    const tool = spawn(PYTHON, ['-m', 'celery', '-b', urls.broker, 'events', '--dump'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let dump = ''
    tool.stdout.on('data', (text: Buffer) => {
      dump += text.toString()
    })
    stopping.push(async () => {
      const exit = tool.exitCode === null && tool.signalCode === null ? once(tool, 'exit') : undefined
      tool.kill('SIGKILL')
      await exit
    })
    await until('a heartbeat', () => dump.includes(`${node} [`) && dump.includes('heartbeat: active=0'))
    expect(dump).not.toContain('task')
    const [enable] = await celery(['control', 'enable_events', '-d', node])
    expect(enable?.output).toContain('task events enabled')
    const good = await warren.send(quick, { customer: 'c1' })
    await good.result({ timeoutMs: 20_000 })
    const second = await warren.send(quick, { customer: 'second' })
    await second.result({ timeoutMs: 20_000 })
    const never = await warren.send(quick, { customer: 'never' })
    await expect(never.result({ timeoutMs: 20_000 })).rejects.toMatchObject({ code: 'TASK_FAILED' })
    await until('the last event', () => dump.includes('task failed'))
    const lines = dump.split('\n')
    const of = (id: string) => lines.filter((line) => line.includes(id)).map((line) => /\] (task \w+)/.exec(line)?.[1])
    expect(of(good.id)).toEqual(['task received', 'task started', 'task succeeded'])
    expect(of(second.id)).toEqual([
      ...['task received', 'task started', 'task retried'],
      ...['task received', 'task started', 'task succeeded'],
    ])
    expect(of(never.id).at(-1)).toBe('task failed')
    const about = lines.filter((line) => line.includes(good.id))
    expect(about[0]).toContain(`${quick.name}(${good.id}) args=[] kwargs={'customer': 'c1'}`)
    expect(about[2]).toContain("result='for c1'")
    expect(lines.find((line) => line.includes('task failed'))).toContain("exception=RangeError('does not work')")
    tool.kill('SIGKILL')
    await once(tool, 'exit')
    // The queue of the tool is gone, so that the next event comes back: then all is quiet.
    const connection = await amqpConnect(urls.broker)
    stopping.push(() => connection.close())
    await until('the tool is gone', async () => {
      const queues = await manage<{ name: string }[]>('GET', `/queues/${urls.vhost}`)
      return !queues.some(({ name }) => name.startsWith('celeryev.'))
    })
    await (await warren.send(quick, { customer: 'unseen' })).result({ timeoutMs: 20_000 })
    await until('it is quiet', () => worker.listenerCount('attemptStarted') === 0)
    const channel = await connection.createChannel()
    const { queue } = await channel.assertQueue('', { exclusive: true })
    await channel.bindQueue(queue, 'celeryev', '#')
    await (await warren.send(quick, { customer: 'unheard' })).result({ timeoutMs: 20_000 })
    expect((await channel.checkQueue(queue)).messageCount).toBe(0)
  })
})

describe('A worker whose user may not', () => {
  it('says so once and works on; celeryRemote: false says nothing', async () => {
    const name = `tools-${process.pid}`
    await manage('PUT', `/users/${name}`, { password: name, tags: '' })
    stopping.push(() => manage('DELETE', `/users/${name}`))
    const own = `^payment\\.|^warren\\.|^amq\\.default$`
    await manage('PUT', `/permissions/${urls.vhost}/${name}`, { configure: own, write: own, read: own })
    const broker = urls.broker.replace(/\/\/[^@]*@/, `//${name}:${name}@`)
    const limited = await connect({ broker, results: clusterUrls().results, logger })
    stopping.push(() => limited.close())
    for (const celeryRemote of [false, true]) {
      warnings.length = 0
      const worker = limited.worker({ service: SERVICE, celeryRemote })
      worker.handle(quick, () => 'done')
      await consuming(worker)
      if (celeryRemote) await until('a warning', () => warnings.length > 0)
      expect(await (await limited.send(quick, { customer: '' })).result({ timeoutMs: 20_000 })).toBe('done')
      expect(warnings).toEqual(celeryRemote ? [expect.stringContaining("Celery's tools do not see this worker")] : [])
      expect(worker.health().ready).toBe(true)
      await worker.stop()
    }
    expect(await nodes()).not.toContain(celeryControlQueue('x'))
  })
})
