/**
 * The program inside an isolate: loads the handler's module, runs one job at a time, and reports. It loads nothing of
 * Warren but the errors; what the handler's module imports comes on top.
 */
import { isMainThread, parentPort, Worker as Thread } from 'node:worker_threads'
import { textOf } from '../errors/index.js'
import type { AttemptContext, Handler } from '../task/handler.js'
import { LOG_LEVELS, type Logger, type LogLevel } from '../task/logger.js'
import { cloning, type FromIsolate, fromWire, type Job, type ToIsolate, toWire } from './protocol.js'

/** What the job that runs can be told. */
interface Current {
  abort(reason: unknown): void
  progressDone(call: number, error: Error | undefined): void
}

const post: (message: FromIsolate) => void = isMainThread
  ? (message) => void process.send?.(message)
  : (message) => parentPort?.postMessage(message)

let current: Current | undefined

function receive(message: ToIsolate): void {
  switch (message.kind) {
    case 'run':
      void run(message.job)
      break
    case 'abort':
      current?.abort(fromWire(message.reason))
      break
    case 'progressDone':
      current?.progressDone(message.call, message.error && fromWire(message.error))
      break
    default:
      message satisfies never
  }
}

async function run(job: Job): Promise<void> {
  post({ kind: 'started' })
  const { task } = job.attempt
  const { context, end } = contextOf(job)
  try {
    const handler = await load(job)
    const run = () => handler(job.input, context)
    // Loaded where there is a trace, and after the handler's module, which may be what sets OpenTelemetry up in here.
    const output = await (job.trace === undefined ? run() : (await import('./trace.js')).inTrace(job.trace, run))
    end()
    cloning(`what the handler of ${task} returned`, () => post({ kind: 'returned', output }))
  } catch (error) {
    end()
    post({ kind: 'threw', error: toWire(error) })
  }
}

async function load({ module, exportName }: Job): Promise<Handler> {
  const loaded = (await import(module)) as Readonly<Record<string, unknown>>
  const handler = loaded[exportName]
  if (typeof handler === 'function') return handler as Handler
  const exported = Object.keys(loaded).join(', ') || 'nothing'
  throw new TypeError(`Expected the export ${exportName} of ${module} to be a function; the module exports ${exported}`)
}

/** The attempt as the handler sees it. What the handler still says after its end is not heard. */
function contextOf({ attempt }: Job): { context: AttemptContext; end: () => void } {
  const controller = new AbortController()
  const waiting = new Map<number, { resolve: () => void; reject: (error: unknown) => void }>()
  let calls = 0
  let ended = false
  current = {
    abort: (reason) => controller.abort(reason),
    progressDone(call, error) {
      const waiter = waiting.get(call)
      waiting.delete(call)
      if (error === undefined) waiter?.resolve()
      else waiter?.reject(error)
    },
  }
  const log = (level: LogLevel, fields: object, message: string): void => {
    if (ended) return
    try {
      post({ kind: 'log', level, fields, message })
    } catch {
      // A line with less is better than a failed attempt.
      post({ kind: 'log', level, fields: {}, message: textOf(message) })
    }
  }
  return {
    context: {
      ...attempt,
      signal: controller.signal,
      log: Object.fromEntries(
        LOG_LEVELS.map((level) => [level, (fields: object, message: string) => log(level, fields, message)]),
      ) as unknown as Logger,
      progress(value) {
        if (ended) return Promise.resolve()
        const call = calls++
        return new Promise<void>((resolve, reject) => {
          cloning('the progress', () => post({ kind: 'progress', call, value }))
          waiting.set(call, { resolve, reject })
        })
      },
    },
    end() {
      ended = true
      for (const { resolve } of waiting.values()) resolve()
    },
  }
}

/**
 * Ends this process when the worker's has died, even in the midst of a busy loop, which no event of its own would end: a
 * thread looks once a second. It takes 9 MB; a loop without end would take a core until somebody finds it.
 */
const watchdog = (parent: number): string =>
  `setInterval(() => process.ppid === ${parent} || process.kill(process.pid, 'SIGKILL'), 1000)`

if (isMainThread) {
  // Ctrl-C and some supervisors signal every process of a group. When this one ends is the worker's to say: it drains.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => undefined)
  process.on('disconnect', () => process.exit())
  process.on('message', receive)
  // The worker says who it is: it may have died before this line, and then `process.ppid` is not it.
  new Thread(watchdog(Number(process.argv[2])), { eval: true, name: 'watchdog' }).unref()
} else {
  parentPort?.on('message', receive)
}
