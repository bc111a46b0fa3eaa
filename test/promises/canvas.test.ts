/**
 * The promise: Celery's canvas works across languages, whoever starts it: chains, callbacks, groups and chords whose tasks
 * are run by Warren's workers and by Python's. What cannot be carried out is refused before anything runs.
 * The Python side is test/support/python/canvas.py: a worker, and a client that starts what it is given.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { chain, connect, defineTask, join, step, type Warren } from '../../src/index.js'
import { type ClusterUrls, consuming, deadLetters, virtualHost } from '../support/cluster.js'
import { atEnd, ownStore } from '../support/ownStore.js'

/** Debian's own: another Python on the PATH would not see Debian's python3-celery. */
const PYTHON = '/usr/bin/python3'
const SCRIPT = fileURLToPath(new URL('../support/python/canvas.py', import.meta.url))
const SERVICE = 'canvas'
const RESULT = { timeoutMs: 25_000 }

vi.setConfig({ testTimeout: 40_000, hookTimeout: 40_000 })

const double = defineTask({
  name: 'user.canvas.double',
  input: z.object({ n: z.number(), times: z.number().default(1) }),
  output: z.number(),
  positional: ['n', 'times'],
})
const sum = defineTask({
  name: 'user.canvas.sum',
  input: z.object({ of: z.array(z.number()), plus: z.number().default(0) }),
  output: z.number(),
  positional: ['of'],
})
const fail = defineTask({ name: 'user.canvas.fail', input: z.object({ n: z.number().optional() }), positional: ['n'] })
const note = defineTask({ name: 'user.canvas.note', input: z.object({ what: z.unknown() }), positional: ['what'] })
const shout = defineTask({ name: 'user.canvas.shout', input: z.object({ text: z.string() }) })
const tasks = [double, sum, fail, note, shout]

/** Python's tasks, as TypeScript knows them. */
const add = defineTask({
  name: 'user.pycanvas.add',
  input: z.object({ x: z.number(), y: z.number().optional() }),
  output: z.number(),
  queue: { type: 'classic' },
})
const total = defineTask({
  name: 'user.pycanvas.total',
  input: z.object({ of: z.array(z.number()), plus: z.number().optional() }),
  output: z.number(),
  queue: { type: 'classic' },
})
const raise = defineTask({
  name: 'user.pycanvas.fail',
  input: z.object({}),
  output: z.number(),
  queue: { type: 'classic' },
})
const long = defineTask({
  name: 'user.pycanvas.long',
  input: z.object({ size: z.number() }),
  output: z.string(),
  queue: { type: 'classic' },
})
const length = defineTask({ name: 'user.canvas.length', input: z.object({ text: z.string() }), output: z.number() })

interface Report {
  readonly call: number
  readonly id?: string
  readonly result?: unknown
  readonly error?: { readonly class: string; readonly message: string }
}

let urls: ClusterUrls & { readonly vhost: string }
let warren: Warren
let python: ChildProcess
let lines: Interface
let calls = 0
const noted: unknown[] = []
const runs: string[] = []

beforeAll(async () => {
  const [own, store] = await Promise.all([virtualHost(SERVICE, [...tasks, length]), ownStore()])
  urls = own
  warren = await connect({ broker: urls.broker, results: store.url, logger: false })
  atEnd(() => warren.close())
  const worker = warren.worker({ service: SERVICE })
  worker.handle(double, ({ n, times }, { id }) => {
    runs.push(id)
    return n * 2 ** times
  })
  worker.handle(sum, ({ of, plus }, { id }) => {
    runs.push(id)
    return of.reduce((all, each) => all + each, plus)
  })
  worker.handle(fail, () => {
    throw new RangeError('not this one')
  })
  worker.handle(note, ({ what }) => {
    noted.push(what)
    return null
  })
  worker.handle(shout, ({ text }) => text.toUpperCase())
  worker.handle(length, ({ text }) => text.length)
  await consuming(worker)
  python = spawn(PYTHON, [SCRIPT, '--broker', urls.broker, '--results', store.url], { stdio: 'pipe' })
  let log = ''
  python.stderr?.on('data', (chunk: Buffer) => {
    log += chunk.toString()
  })
  lines = createInterface({ input: python.stdout as NonNullable<typeof python.stdout> })
  const [line] = (await Promise.race([once(lines, 'line'), once(python, 'exit')])) as [unknown]
  if (line !== 'ready') throw new Error(`The Python worker did not start (${String(line)}):\n${log}`)
})

afterAll(async () => {
  if (python === undefined || python.exitCode !== null) return
  python.kill('SIGTERM')
  await once(python, 'exit')
})

/** Starts a canvas from Python, and waits there for its result. */
async function fromPython(canvas: object): Promise<Report> {
  const call = ++calls
  const answered = new Promise<Report>((resolve) => {
    const heard = (line: string): void => {
      const report = JSON.parse(line) as Report
      if (report.call !== call) return
      lines.off('line', heard)
      resolve(report)
    }
    lines.on('line', heard)
  })
  python.stdin?.write(`${JSON.stringify({ ...canvas, call })}\n`)
  return answered
}

const w = (n?: number, more: object = {}) => ({ task: double.name, args: n === undefined ? [] : [n], ...more })
const py = (args: readonly unknown[] = [], more: object = {}) => ({ task: add.name, args, ...more })

describe('Started from Python', () => {
  it('A chain leads through both languages: each takes the result before it as its first argument', async () => {
    const report = await fromPython({ chain: [w(3), py([1]), w(undefined, { kwargs: { times: 2 } })] })
    expect(report).toMatchObject({ result: 28 })
  })

  it('What is immutable takes no result', async () => {
    expect(await fromPython({ chain: [w(3), { ...w(5), immutable: true }] })).toMatchObject({ result: 10 })
  })

  it('A chord has members and a body in both languages, with the results in order', async () => {
    const header = [w(1), py([10, 1]), w(2), py([20])]
    expect(await fromPython({ chord: [header, { task: sum.name }] })).toMatchObject({ result: 37 })
    expect(await fromPython({ chord: [header, { task: total.name }] })).toMatchObject({ result: 37 })
    expect(await fromPython({ group: header })).toMatchObject({ result: [2, 11, 4, 20] })
    const nested = { chain: [{ chord: [[{ chain: [w(1), py([1])] }, w(4)], { task: sum.name }] }, w()] }
    expect(await fromPython(nested)).toMatchObject({ result: 22 })
  })

  it('A group within a chain is started by a Warren worker, and collected by what follows', async () => {
    const inner = { group: [w(), py([100])] }
    expect(await fromPython({ chain: [w(1), inner, { task: sum.name }, py([1])] })).toMatchObject({ result: 107 })
    expect(await fromPython({ chain: [w(1), inner, { task: total.name }] })).toMatchObject({ result: 106 })
  })

  it('A member that fails ends its chord with a ChordError, and a chain with the error of the step', async () => {
    const chord = await fromPython({ chord: [[w(1), { task: fail.name }, py([1])], { task: sum.name }] })
    // A Python client raises the member's own error; the body's is the chord's.
    expect(chord).toMatchObject({ error: { class: 'RangeError', message: 'not this one' } })
    const python = await fromPython({ chord: [[w(1), { task: raise.name }], { task: sum.name }] })
    expect(python).toMatchObject({ error: { class: 'ValueError', message: 'as asked' } })
    for (const { id = '' } of [chord, python]) {
      await vi.waitFor(async () => expect((await warren.state(id))?.error?.errorClass).toBe('ChordError'), 20_000)
    }
    const broken = await fromPython({ chain: [w(1), { task: fail.name }, py(), w()] })
    expect(broken).toMatchObject({ error: { class: 'RangeError', message: 'not this one' } })
  })

  it('link takes the result, link_error the id of the task that failed', async () => {
    await fromPython(w(21, { link: { task: note.name } }))
    const failed = await fromPython({ task: fail.name, link_error: { task: note.name } })
    await vi.waitFor(() => expect(noted).toEqual(expect.arrayContaining([42, failed.id])), 20_000)
    await fromPython({ task: double.name, args: [4], link: { task: 'user.pycanvas.seen' } })
    await vi.waitFor(async () => expect((await fromPython({ seen: true })).result).toContain(8), 20_000)
  })

  it('What cannot be carried out is a dead letter with the reason, and nothing is run', async () => {
    const before = runs.length
    const report = await fromPython({ chain: [w(1), { task: 'celery.accumulate', unrouted: true }] })
    expect(report.error?.message).toContain('celery.accumulate has no place to go')
    const beyond = await fromPython({ chain: [w(1), { task: 'user.nobody.takes' }] })
    expect(beyond.error?.message).toContain('user.nobody.takes')
    const positional = await fromPython({ chain: [w(1), { task: shout.name }] })
    expect(positional.error?.message).toContain('positional')
    expect(runs.length).toBe(before + 2)
    const dead = await deadLetters(urls.vhost, 'user.dlq')
    const reasons = dead.map(({ properties }) => properties.headers?.['x-warren-reason'])
    expect(reasons).toContain('canvas')
  })
})

describe('Started from TypeScript', () => {
  it('A flow has steps in both languages', async () => {
    const flow = await warren.flows.start(
      chain(step(double, { n: 3 }), step(add, { y: 1 }, { into: 'x' }), step(double, { times: 2 }, { into: 'n' })),
    )
    expect(await flow.result(RESULT)).toBe(28)
    expect((await flow.members()).map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'succeeded'])
  })

  it('A join has members and a body in both languages, and takes long results of Python', async () => {
    const members = () => [step(double, { n: 1 }), step(add, { x: 10, y: 1 }), step(double, { n: 2 })]
    const flows = await Promise.all([
      warren.flows.start(join(members(), step(sum, { plus: 1 }, { into: 'of' }))),
      warren.flows.start(join(members(), step(total, { plus: 1 }, { into: 'of' }))),
      warren.flows.start(chain(step(long, { size: 5_000 }), step(length, {}, { into: 'text' }))),
    ])
    expect(await Promise.all(flows.map((flow) => flow.result(RESULT)))).toEqual([18, 18, 5_000])
  })

  it('A step that fails in Python ends its flow, named', async () => {
    const flow = await warren.flows.start(
      join([step(double, { n: 1 }), step(raise, {})], step(sum, {}, { into: 'of' })),
    )
    await expect(flow.result(RESULT)).rejects.toMatchObject({
      ...{ code: 'FLOW_FAILED', reason: 'failed', member: { id: `${flow.id}.1`, task: raise.name } },
      message: expect.stringContaining('ValueError'),
    })
  })
})
