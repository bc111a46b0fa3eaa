/**
 * One client or one worker of a rival that is written for Node: `node program.js <rival> client|worker`, with its setup
 * in `BENCH_SETUP`. It takes one JSON request a line on stdin, answers each on stdout, and ends when stdin does.
 * `celery/*.py` speak the same.
 */
import { createInterface } from 'node:readline'
import { paced } from './pace.js'

import type { BenchClient, NodeRival, Setup } from './rivals/rival.js'

/** What is asked of a client. Latencies are in milliseconds. */
export type Request = { readonly count: number; readonly bytes: number; readonly ms: number } & (
  | { readonly do: 'publish' | 'roundTrip' }
  | { readonly do: 'latency'; readonly ratePerSecond: number }
)

export interface Answered {
  readonly seconds: number
  readonly latencies?: readonly number[]
}

export type Answer = Answered | { readonly error: string }

const NODE_RIVALS: Readonly<Record<string, () => Promise<NodeRival>>> = {
  warren: async () => (await import('./rivals/warren.js')).warren,
  'warren-no-history': async () => (await import('./rivals/warren.js')).warrenWithoutHistory,
  'warren-packs': async () => (await import('./rivals/warren.js')).warrenPacks,
  bare: async () => (await import('./rivals/bareAmqplib.js')).bare,
  'bare-no-results': async () => (await import('./rivals/bareAmqplib.js')).bareWithoutResults,
  'bare-celery-wire': async () => (await import('./rivals/bareAmqplib.js')).bareOnCeleryWire,
  bullmq: async () => (await import('./rivals/bullmq.js')).bullmq,
  'bullmq-synced': async () => (await import('./rivals/bullmq.js')).bullmqSynced,
  'graphile-worker': async () => (await import('./rivals/graphileWorker.js')).graphileWorker,
  'graphile-worker-batched': async () => (await import('./rivals/graphileWorker.js')).graphileWorkerBatched,
  'pg-boss': async () => (await import('./rivals/pgBoss.js')).pgBoss,
}

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

const [name = '', part = ''] = process.argv.slice(2)
const rival = await NODE_RIVALS[name]?.()
if (rival === undefined || !['client', 'worker'].includes(part)) throw new Error(`no such rival: ${name} ${part}`)
const setup = JSON.parse(process.env.BENCH_SETUP ?? '') as Setup
await (part === 'client' ? serveClient(await rival.client(setup)) : serveWorker(rival))
process.exit(0)

async function serveClient(client: BenchClient): Promise<void> {
  const endProfile = await profiling()
  say({ ready: true })
  for await (const line of createInterface(process.stdin)) say(await answer(client, JSON.parse(line) as Request))
  await endProfile()
  await client.close()
}

/** Gives what ends the profile, where one is wanted. */
async function profiling(): Promise<() => Promise<void>> {
  const file = process.env.BENCH_PROFILE
  return file === undefined ? async () => {} : (await import('./profiler.js')).startProfile(file)
}

async function answer(client: BenchClient, request: Request): Promise<Answer> {
  const from = performance.now()
  const seconds = () => (performance.now() - from) / 1000
  try {
    if (request.do === 'latency') {
      const latencies = await paced(request, () => client.call({ ...request, count: 1 }))
      return { seconds: seconds(), latencies }
    }
    await client[request.do](request)
    return { seconds: seconds() }
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

async function serveWorker(worker: NodeRival): Promise<void> {
  let began = 0
  let told = 0
  const running = await worker.worker(setup, () => {
    if (began++ === 0) say({ first: true })
  })
  const endProfile = await profiling()
  say({ ready: true })
  const report = () => {
    if (began > told) say({ began })
    told = began
  }
  const reporter = setup.reportEveryMs === undefined ? undefined : setInterval(report, setup.reportEveryMs)
  for await (const _line of createInterface(process.stdin)) {
    // Nothing is asked of a worker; the end of stdin ends it.
  }
  clearInterval(reporter)
  await endProfile()
  await running.close()
}
