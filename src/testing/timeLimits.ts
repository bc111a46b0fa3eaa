/** Time limits of an in-memory worker use the test's clock instead of the attempt's timer. */
import { TimeLimitError } from '../errors/index.js'
import type { Attempt, RegisteredHandler } from '../work/attempt.js'
import type { TestClock } from './clock.js'

/** A view of handlers that are registered later. */
export function withoutTimeLimits(
  handlers: ReadonlyMap<string, RegisteredHandler>,
): ReadonlyMap<string, RegisteredHandler> {
  const view: Pick<ReadonlyMap<string, RegisteredHandler>, 'get'> = {
    get(name) {
      const registered = handlers.get(name)
      return registered && { ...registered, task: { ...registered.task, timeoutMs: undefined } }
    },
  }
  return view as ReadonlyMap<string, RegisteredHandler>
}

/** Aborts an attempt once its time limit has passed. Returns a function that ends that. */
export function limitTime(attempt: Attempt, { task }: RegisteredHandler, clock: TestClock): () => void {
  const { timeoutMs = Number.POSITIVE_INFINITY } = task
  if (timeoutMs === Number.POSITIVE_INFINITY) return () => undefined
  return clock.at(clock.now() + timeoutMs, () => attempt.abort(new TimeLimitError(task.name, timeoutMs)))
}
