/** `@HandleTask(task)`: makes a method of a provider the handler of a task. */
import { SetMetadata } from '@nestjs/common'
import type { HandlerOf, Task } from 'warren'

export interface HandleTaskOptions {
  /** The name of the worker that runs it, one of the `workers` of the module. Default: the module's `worker`. */
  readonly worker?: string | undefined
}

export interface Handled {
  readonly task: Task
  readonly worker: string | undefined
}

export const HANDLED = 'warren:handle-task'

/**
 * The method takes the task's parsed input and its attempt, and returns its output; the compiler checks that it fits. Guards,
 * pipes, interceptors and filters of Nest do not run: the task's schema checks the input, and an error of the method fails the
 * attempt.
 */
// biome-ignore lint/suspicious/noExplicitAny: a task of any types, which HandlerOf reads back
export function HandleTask<T extends Task<any, any, any, any>>(
  task: T,
  options: HandleTaskOptions = {},
): <Method extends HandlerOf<T>>(
  target: object,
  name: string | symbol,
  descriptor: TypedPropertyDescriptor<Method>,
) => void {
  const handled: Handled = { task, worker: options.worker }
  return (target, name, descriptor) => SetMetadata(HANDLED, handled)(target, name, descriptor)
}
