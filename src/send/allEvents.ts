/** `warren.events()`: the events of all tasks, from now on. */
import { defaults, is, settleOptions } from '../options.js'
import type { FeedEvent, FeedType } from '../results/feed.js'
import type { Results } from '../results/store.js'
import { checkTask, type Task } from '../task/task.js'

export interface AllEventsOptions {
  /** Only events of this task. Default: of all tasks in the store. */
  readonly task?: Pick<Task, 'name'> | undefined
  /** Only events of these types. Default: all four. */
  readonly types?: readonly FeedType[] | undefined
  readonly signal?: AbortSignal | undefined
  /** How many events wait for their reader; beyond that the oldest are dropped and counted. Default 1,000. */
  readonly maxBuffered?: number | undefined
}

/** The events of all tasks. Can be iterated once; leaving the loop ends it. */
export type AllEvents = AsyncIterableIterator<FeedEvent, undefined> &
  AsyncDisposable & {
    /** Resolves once events are received; earlier events are not included. Requesting the first event also waits for it. */
    ready(): Promise<void>
  }

const TYPES = ['started', 'progress', 'retry', 'done'] as const

const CHECKS = {
  task: (value: unknown) => {
    try {
      checkTask('events', value)
      return undefined
    } catch {
      return 'a task, which defineTask() returns'
    }
  },
  types: is.listOf(is.oneOf(...TYPES), `a list of ${TYPES.map((type) => `'${type}'`).join(', ')}`),
  signal: is.signal,
  maxBuffered: is.integer(1, 100_000),
}

export function allEvents(results: Results, options: AllEventsOptions): AllEvents {
  const { task, types, signal, maxBuffered } = settleOptions('events', options, CHECKS, {
    maxBuffered: defaults.maxBuffered,
  })
  return results.events.feed({ taskName: task?.name, types, signal, maxBuffered })
}
