/** Runs a handler alone, with a ready-made attempt: no queue, no store, no clock. */
import { randomUUID } from 'node:crypto'
import { InputError, OutputError } from '../errors/index.js'
import { is, settleOptions } from '../options.js'
import { check, checkAsSent } from '../task/check.js'
import type { AttemptContext, Handler } from '../task/handler.js'
import type { Logger } from '../task/logger.js'
import { checkTask, type Task } from '../task/task.js'
import { outputJson } from '../wire/resultFormat.js'

export interface TestAttemptOptions {
  /** The task id. Default: a random UUID. */
  readonly id?: string | undefined
  /** Which attempt it is. Default 1. */
  readonly number?: number | undefined
  /** Whether the message was delivered before. Default false. */
  readonly redelivered?: boolean | undefined
  /** The fencing token, for a task with a concurrency limit. Default: none. */
  readonly fence?: number | undefined
  /** A signal that aborts the handler's. Default: only `abort()` does. */
  readonly signal?: AbortSignal | undefined
}

/** A line that the handler wrote to its log. */
export interface LoggedLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly fields: object
  readonly message: string
}

/** An attempt that records what its handler did. */
export interface TestAttempt extends AttemptContext {
  /** What the handler reported, in order. */
  readonly reported: readonly unknown[]
  /** What the handler logged, in order. */
  readonly logged: readonly LoggedLine[]
  /** Aborts the signal, as a time limit or a lost delivery does. */
  abort(reason?: unknown): void
}

const CHECKS = { id: is.text, number: is.integer(1), redelivered: is.flag, fence: is.integer(1), signal: is.signal }

/** Creates an attempt of a task. Throws `OptionsError`. */
export function testAttempt(task: Pick<Task, 'name'>, options: TestAttemptOptions = {}): TestAttempt {
  const given = settleOptions('testAttempt', options, CHECKS, { number: 1, redelivered: false })
  const { id = randomUUID(), number, redelivered, fence } = given
  const controller = new AbortController()
  const reported: unknown[] = []
  const logged: LoggedLine[] = []
  return {
    ...{ id, task: task.name, number, redelivered, fence, reported, logged },
    signal: given.signal === undefined ? controller.signal : AbortSignal.any([given.signal, controller.signal]),
    log: recording(logged, {}),
    // As JSON carries it: values that JSON cannot carry are refused here as well.
    progress: async (value) => void reported.push(JSON.parse(outputJson(task.name, value))),
    abort: (reason) => controller.abort(reason),
  }
}

/**
 * Runs a handler once, as a worker does: the input is checked and parsed by the task's schema, and the returned value is
 * checked and parsed as `result()` would return it. Rejects with the handler's error, `InputError`, `OutputError`, or the
 * signal's reason once that is aborted.
 */
export async function runHandler<Input, Parsed, Output, Returned>(
  task: Task<Input, Parsed, Output, Returned>,
  handler: Handler<Parsed, NoInfer<Returned>>,
  input: NoInfer<Input>,
  attempt: TestAttempt | TestAttemptOptions = {},
): Promise<Output> {
  checkTask('runHandler', task)
  settleOptions('runHandler', { handler }, { handler: is.callback }, {}, ['handler'])
  const context = 'progress' in attempt ? attempt : testAttempt(task, attempt)
  const sent = await checkAsSent(task.input, input)
  if (sent.issues !== undefined) throw new InputError(task.name, sent.issues)
  const arrived = await check(task.input, JSON.parse(JSON.stringify(input)) as unknown)
  if (arrived.issues !== undefined) throw new InputError(task.name, arrived.issues)
  const returned = await untilAborted(context.signal, async () => handler(arrived.value, context))
  if (task.output === undefined) return JSON.parse(outputJson(task.name, returned)) as Output
  const checked = await checkAsSent(task.output, returned)
  if (checked.issues !== undefined) throw new OutputError(task.name, checked.issues)
  const stored: unknown = JSON.parse(outputJson(task.name, returned))
  const result = await check(task.output, returned === undefined ? undefined : stored)
  if (result.issues !== undefined) throw new OutputError(task.name, result.issues)
  return result.value
}

function untilAborted<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(signal.reason)
    if (signal.aborted) return aborted()
    signal.addEventListener('abort', aborted, { once: true })
    run()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', aborted))
  })
}

function recording(lines: LoggedLine[], common: object): Logger {
  const write = (level: LoggedLine['level']) => (fields: object, message: string) =>
    void lines.push({ level, fields: { ...common, ...fields }, message })
  return {
    ...{ debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    child: (fields: object) => recording(lines, { ...common, ...fields }),
  }
}
