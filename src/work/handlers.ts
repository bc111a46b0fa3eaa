/** The handlers of a worker, one for each task. */
import { OptionsError } from '../errors/index.js'
import { type IsolatedHandler, IsolatePool } from '../isolate/isolatePool.js'
import type { Handler } from '../task/handler.js'
import { checkTask, type Task } from '../task/task.js'
import type { RegisteredHandler } from './attempt.js'

export class Handlers {
  readonly #isolates = new IsolatePool()
  readonly #all = new Map<string, RegisteredHandler>()

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

  close(): Promise<void> {
    return this.#isolates.close()
  }
}
