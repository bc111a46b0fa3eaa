/**
 * Gathers the attempts of one task and runs them in batches. Each is an attempt like any other: it passes its gates,
 * has its own time limit and signal, and ends in its own way. Only the handler is called once for several of them.
 *
 *     gathering ─ size items, or maxWaitMs after the first, or the worker stops ─▶ the handler runs ─▶ each item ends
 */
import { OptionsError } from '../errors/index.js'
import { isError } from '../kinds.js'
import { containedSignal, type ReportProblem } from '../observe/contained.js'
import { is, kindOf, settleOptions } from '../options.js'
import type { AttemptContext, BatchContext, BatchHandler, BatchItem, Handler } from '../task/handler.js'
import type { Task } from '../task/task.js'
import { startTimer } from '../timers.js'

export interface BatchOptions {
  /** How many items a batch has at most, 1 to 10,000, and no more than the worker's `concurrency`. */
  readonly size: number
  /** How long the first item waits for others, in milliseconds. Default 100. */
  readonly maxWaitMs?: number | undefined
}

const DEFAULT_WAIT_MS = 100
const MAX_SIZE = 10_000

/** Throws `OptionsError`. */
export function settleBatch(where: string, given: BatchOptions, task: Task, concurrency: number) {
  const checks = { size: is.integer(1, MAX_SIZE), maxWaitMs: is.duration(0) }
  const settled = settleOptions(where, given, checks, { maxWaitMs: DEFAULT_WAIT_MS }, ['size'])
  const { size } = settled
  const maxWaitMs = settled.maxWaitMs as number
  const problems: string[] = []
  if (size > concurrency) {
    problems.push(
      `expected \`size\` to be at most the worker's concurrency (${concurrency}), which counts items, got: ${size}`,
    )
  }
  if (task.timeoutMs !== undefined && task.timeoutMs <= maxWaitMs) {
    problems.push(`expected \`maxWaitMs\` to be less than the task's timeoutMs (${task.timeoutMs}), got: ${maxWaitMs}`)
  }
  if (problems.length > 0) throw new OptionsError(where, problems)
  return { size, maxWaitMs }
}

interface Gathered extends BatchItem<unknown> {
  readonly resolve: (output: unknown) => void
  readonly reject: (error: unknown) => void
}

export class Batcher {
  readonly #task: Task
  readonly #handler: BatchHandler
  readonly #options: { readonly size: number; readonly maxWaitMs: number }
  readonly #report: ReportProblem
  #gathered: Gathered[] = []
  #cancelTimer: (() => void) | undefined
  #draining = false

  constructor(task: Task, handler: BatchHandler, options: ReturnType<typeof settleBatch>, report: ReportProblem) {
    this.#task = task
    this.#handler = handler
    this.#options = options
    this.#report = report
  }

  /** The handler of each attempt: joins a batch. */
  readonly handler: Handler = (input: unknown, attempt: AttemptContext) =>
    new Promise((resolve, reject) => {
      const item = { input, attempt, resolve, reject }
      this.#gathered.push(item)
      attempt.signal.addEventListener('abort', () => this.#leave(item), { once: true })
      if (this.#draining || this.#gathered.length >= this.#options.size) this.#flush()
      else this.#cancelTimer ??= startTimer(this.#options.maxWaitMs, () => this.#flush())
    })

  /** The worker stops: what is gathered is run now, and nothing waits for others any more. */
  drain(): void {
    this.#draining = true
    this.#flush()
  }

  /** Its attempt was aborted. One that runs with its batch has its signal. */
  #leave(item: Gathered): void {
    const at = this.#gathered.indexOf(item)
    if (at < 0) return
    this.#gathered.splice(at, 1)
    item.reject(item.attempt.signal.reason)
    if (this.#gathered.length > 0) return
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  #flush(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    const batch = this.#gathered
    this.#gathered = []
    if (batch.length > 0) void this.#run(batch)
  }

  /** Never rejects: what the handler throws is how each of the items ends. */
  async #run(batch: readonly Gathered[]): Promise<void> {
    try {
      const items = batch.map(({ input, attempt }) => ({ input, attempt }))
      const returned: unknown = await this.#handler(items, { signal: this.#signalOf(batch) } satisfies BatchContext)
      const outputs = this.#outputsOf(returned, batch.length)
      for (const [index, { resolve, reject }] of batch.entries()) {
        const output = outputs[index]
        if (isError(output)) reject(output)
        else resolve(output)
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  #outputsOf(returned: unknown, count: number): readonly unknown[] {
    if (returned === undefined) return []
    if (Array.isArray(returned) && returned.length === count) return [...returned]
    const got = Array.isArray(returned) ? `a list of ${returned.length}` : kindOf(returned)
    throw new TypeError(
      `expected the batch handler of ${this.#task.name} to return a list of ${count}, an output or an Error for each item, or undefined, got ${got}`,
    )
  }

  /** Aborted when no item of the batch is wanted any more. */
  #signalOf(batch: readonly Gathered[]): AbortSignal {
    const controller = new AbortController()
    const signal = containedSignal(controller, this.#report)
    let wanted = batch.length
    for (const { attempt } of batch) {
      const unwanted = (): void => {
        if (--wanted === 0) controller.abort(attempt.signal.reason)
      }
      if (attempt.signal.aborted) unwanted()
      else attempt.signal.addEventListener('abort', unwanted, { once: true })
    }
    return signal
  }
}
