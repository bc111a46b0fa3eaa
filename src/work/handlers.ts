/** The handlers of a worker, one for each task. */
import { OptionsError } from '../errors/index.js'
import { type IsolatedHandler, IsolatePool } from '../isolate/isolatePool.js'
import type { ReportProblem } from '../observe/contained.js'
import { is } from '../options.js'
import type { BatchHandler, Handler } from '../task/handler.js'
import { checkTask, type Task } from '../task/task.js'
import type { RegisteredHandler } from './attempt.js'
import { Batcher, type BatchOptions, settleBatch } from './batcher.js'

/** What batches need to know of their worker. */
export interface BatchingWorker {
  readonly concurrency: number
  readonly hasStore: boolean
  readonly report: ReportProblem
}

export class Handlers {
  readonly #isolates = new IsolatePool()
  readonly #all = new Map<string, RegisteredHandler>()
  readonly #batchers: Batcher[] = []

  /** By task name. Handlers of all types: each is only ever called with input that its own task's schema let through. */
  get all(): ReadonlyMap<string, RegisteredHandler> {
    return this.#all
  }

  get tasks(): Task[] {
    return [...this.#all.values()].map(({ task }) => task)
  }

  /** Throws `OptionsError`. */
  add(where: string, task: Task, handler: Handler | IsolatedHandler, hasStore: boolean): void {
    checkTask(where, task)
    if (this.#all.has(task.name)) {
      throw new OptionsError(where, [`expected one handler for each task, got a second for ${task.name}`])
    }
    if (task.limit !== undefined && !hasStore) {
      throw new OptionsError(where, [`expected connect() with \`results\`, which keeps the limit of ${task.name}`])
    }
    const run = typeof handler === 'function' ? handler : this.#isolates.handler(task.name, handler)
    this.#all.set(task.name, { task, handler: run })
  }

  /** Throws `OptionsError`. */
  addBatch(where: string, task: Task, handler: BatchHandler, options: BatchOptions, worker: BatchingWorker): void {
    checkTask(where, task)
    if (is.callback(handler) !== undefined) throw new OptionsError(where, ['expected the handler to be a function'])
    const settled = settleBatch(where, options, task, worker.concurrency)
    const batcher = new Batcher(task, handler, settled, worker.report)
    this.add(where, task, batcher.handler, worker.hasStore)
    this.#batchers.push(batcher)
  }

  /** The worker stops: nothing waits for a batch to be full. */
  drain(): void {
    for (const batcher of this.#batchers) batcher.drain()
  }

  close(): Promise<void> {
    return this.#isolates.close()
  }
}
