/** The handle that `send` returns: access to a task's result. */

import type { Cancellation, CancelOptions, Control } from '../control/control.js'
import {
  MessageError,
  NoResultStoreError,
  OutputError,
  ResultTimeoutError,
  ResultUnreadableError,
  TaskFailedError,
} from '../errors/index.js'
import { is, settleOptions } from '../options.js'
import type { Results } from '../results/store.js'
import type { TaskEvent } from '../results/taskEvent.js'
import { check } from '../task/check.js'
import type { Task } from '../task/task.js'
import { onAbort, startTimer } from '../timers.js'
import type { StoredResult } from '../wire/resultFormat.js'

export interface ResultOptions {
  /** How long to wait, in milliseconds; any length, or `Infinity`. Default: forever. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface EventsOptions {
  /** The total time to wait for the task's end, in milliseconds; any length, or `Infinity`. Default: forever. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Whether to wait for further events. `false` yields the stored events and ends. Default true. */
  readonly follow?: boolean | undefined
}

/** The events of a task. Can be iterated once; leaving the loop ends it. */
export type TaskEvents<Output = unknown> = AsyncIterableIterator<TaskEvent<Output>, undefined> & AsyncDisposable

const EVENTS_CHECKS = { timeoutMs: is.duration(0, { forever: true }), signal: is.signal, follow: is.flag }

/** The events of a task, by its id alone. */
export const eventsOf = (results: Results, id: string, options: EventsOptions): TaskEvents =>
  results.events.follow(id, settleOptions('events', options, EVENTS_CHECKS, {}))

const RESULT_CHECKS = { timeoutMs: is.duration(0, { forever: true }), signal: is.signal }

/** How long `state()` waits for the store's answer. */
const STATE_TIMEOUT_MS = 5_000

/** The state of a task in the store, by its id. */
export async function stateOf(results: Results, id: string): Promise<StoredResult | undefined> {
  try {
    const stored = await results.get(id, { timeoutMs: STATE_TIMEOUT_MS })
    if (stored === undefined || stored.id === id) return stored
    throw new MessageError(`Expected the result of ${id}, got one of ${stored.id}`)
  } catch (error) {
    throw error instanceof MessageError ? new ResultUnreadableError(id, error) : error
  }
}

/** The run of the sent task, and when it was sent. */
export interface Queued {
  readonly run: number
  readonly at: number
}

export interface HandleOptions {
  readonly due?: Date | undefined
  readonly existing?: boolean
  /** Known only to the sender. */
  readonly queued?: Queued
}

const NOTHING_KNOWN: HandleOptions = {}

export class Handle<Output> {
  readonly task: string
  readonly id: string
  /** The earliest time at which the task may run; undefined for a task that was not delayed, or not sent here. */
  readonly due: Date | undefined
  /** Whether `send` found this task under its unique key and sent nothing. */
  readonly existing: boolean
  readonly #output: Task<unknown, unknown, Output, unknown>['output']
  readonly #results: () => Results
  readonly #queued: Queued | undefined
  readonly #control: Control | undefined

  constructor(
    task: Pick<Task<unknown, unknown, Output, unknown>, 'name' | 'output'>,
    id: string,
    results: () => Results,
    control?: Control,
    { due, existing = false, queued }: HandleOptions = NOTHING_KNOWN,
  ) {
    this.task = task.name
    this.id = id
    this.due = due
    this.existing = existing
    this.#output = task.output
    this.#results = results
    this.#queued = queued
    this.#control = control
  }

  /**
   * Waits for the task's end and resolves with what its handler returned, parsed by the task's output schema. Waiting for many
   * results needs one subscription in total. The time limit and the signal apply whether the store answers or not. Throws
   * `OptionsError`, `TaskFailedError`, `OutputError` for a result that does not fit the schema, `ResultTimeoutError`,
   * `ResultUnreadableError`, `NoResultStoreError`, or the signal's reason.
   */
  async result(options: ResultOptions = {}): Promise<Output> {
    const settled = settleOptions('result', options, RESULT_CHECKS, {})
    const startedAt = performance.now()
    const limited = <T>(checking: T | Promise<T>): T | Promise<T> =>
      checking instanceof Promise ? this.#limited(checking, settled, startedAt) : checking
    return this.#parsed(outputOf(await this.#results().wait(this.id, settled)), limited)
  }

  /**
   * The task's events, in order: queued, started, progress, retry, done. From the beginning of the latest run, even for a late
   * caller, as far as the store keeps them. Ends after `done`. Each call is an independent reader that reads on demand. Throws
   * `OptionsError` and `NoResultStoreError` at once; the iterator throws `ResultTimeoutError`, `OutputError` for a result that
   * does not fit the schema, `ResultUnreadableError`, `StoreRefusesError`, `ClosedError`, or the signal's reason.
   */
  events(options: EventsOptions = {}): TaskEvents<Output> {
    const settled = settleOptions('events', options, EVENTS_CHECKS, {})
    const output = (stored: unknown): Promise<Output> => this.#parsed(stored, (checking) => checking)
    const events = this.#results().events.follow(this.id, { ...settled, queued: this.#queued, output })
    // `done` carries the return value of `output`.
    return events as TaskEvents<Output>
  }

  async #parsed(stored: unknown, limited: <T>(checking: T | Promise<T>) => T | Promise<T>): Promise<Output> {
    // Without a schema the output is unknown.
    if (this.#output === undefined) return stored as Output
    const checked = await limited(check(this.#output, stored))
    if (checked.issues === undefined) return checked.value
    // If a handler returns undefined, null is stored, because JSON has no undefined.
    const nothing = stored === null ? await limited(check(this.#output, undefined)) : checked
    if (nothing.issues === undefined) return nothing.value
    throw new OutputError(this.task, checked.issues, this.id)
  }

  /** A schema is users' code: the time limit and the signal also apply to an asynchronous one. */
  #limited<T>(checking: Promise<T>, { timeoutMs = Infinity, signal }: ResultOptions, startedAt: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (act: () => void): void => {
        stopTimer()
        stopListening()
        act()
      }
      const late = (): void => reject(new ResultTimeoutError(this.id, timeoutMs, undefined, { ended: true }))
      const leftMs = Math.max(0, Math.ceil(timeoutMs - (performance.now() - startedAt)))
      const stopTimer = startTimer(leftMs, () => end(late))
      const stopListening = onAbort(signal, () => end(() => reject(signal?.reason)))
      if (signal?.aborted === true) end(() => reject(signal.reason))
      checking.then(
        (checked) => end(() => resolve(checked)),
        (error: unknown) => end(() => reject(error)),
      )
    })
  }

  /**
   * The stored state: undefined while no attempt has ended (Celery's PENDING), and after the result's TTL. Throws
   * `StoreUnreachableError` when the store does not answer within five seconds, `ResultUnreadableError`,
   * `NoResultStoreError`.
   */
  async state(): Promise<StoredResult | undefined> {
    return stateOf(this.#results(), this.id)
  }

  /**
   * Cancels the task. If it has not started, it does not run; if it is running, its signal is aborted. It is neither retried
   * nor dead-lettered. Resolves with whether it had already ended. Throws `NoResultStoreError`, `StoreUnreachableError`,
   * `StoreRefusesError`; after the last two it may be repeated.
   */
  async cancel(options: CancelOptions = {}): Promise<Cancellation> {
    if (this.#control === undefined) throw new NoResultStoreError()
    return this.#control.cancelId(this.id, options, { due: this.due, task: this.task })
  }
}

/** The outcome for a caller of `result()`: the value, or the worker's error. */
function outputOf(result: StoredResult): unknown {
  if (result.status === 'SUCCESS') return result.result
  const { errorClass, message, traceback } = result.error ?? { errorClass: result.status, message: 'no error given' }
  throw new TaskFailedError(result.id, errorClass, message, traceback)
}
