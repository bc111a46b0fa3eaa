/** How a worker is: what its health says, from the parts that know. */
import type { WorkerState } from '../observe/events.js'
import type { WorkerHealth } from '../observe/health.js'
import type { Task } from '../task/task.js'
import type { Consumer } from './consumer.js'
import { timeoutProblems } from './consumerTimeout.js'
import type { DeadLettering } from './deadLettering.js'
import type { Dispatcher } from './dispatcher.js'
import type { WorkerDependencies } from './workerDependencies.js'

export interface ObservedParts {
  readonly state: WorkerState
  readonly consumers: readonly Consumer[]
  readonly tasks: readonly Task[]
  readonly consumerTimeoutMs: number | undefined
  readonly dependencies: Pick<WorkerDependencies, 'consuming' | 'publishing' | 'results'>
  /** Undefined before it has started. */
  readonly dispatcher: Dispatcher | undefined
  readonly deadLettering: DeadLettering | undefined
}

export function healthOf(parts: ObservedParts): WorkerHealth {
  const { state, dispatcher } = parts
  const { consuming, publishing, results } = parts.dependencies
  const queues = parts.consumers.map(({ health }) => {
    const reason = health.reason ?? dispatcher?.pauseOf(health.queue)
    return reason === undefined ? health : { ...health, reason }
  })
  const store = results === undefined ? 'none' : results.available ? 'available' : 'unavailable'
  return {
    ready:
      state === 'running' &&
      queues.every((each) => each.state === 'consuming' || each.state === 'paused') &&
      publishing.state === 'open' &&
      store !== 'unavailable' &&
      // What is missing and holds up nothing is named all the same.
      (dispatcher?.problems.length ?? 0) === 0,
    state,
    queues,
    connections: { consume: consuming.state, publish: publishing.state },
    store,
    running: dispatcher?.running ?? 0,
    held: dispatcher?.held ?? 0,
    problems: problemsOf(parts),
  }
}

/** What somebody has to fix, in a sentence each. */
export function problemsOf(parts: ObservedParts): string[] {
  const { dispatcher, deadLettering, consumers, tasks, consumerTimeoutMs } = parts
  const { consuming, results } = parts.dependencies
  const delays = consumers.map(({ delayProblem }) => delayProblem)
  const timeouts = timeoutProblems(consuming.broker, tasks, consumerTimeoutMs)
  const held = [...(deadLettering?.problems ?? []), ...(dispatcher?.problems ?? [])]
  const all = [...held, ...delays, ...timeouts, results?.problem]
  return [...new Set(all.filter((problem) => problem !== undefined))]
}
