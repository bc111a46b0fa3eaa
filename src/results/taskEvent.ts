/** What happened to a task, as its callers see it. */
import type { StoredError } from '../wire/resultFormat.js'

interface Happening {
  /** The task id. */
  readonly id: string
  /** Which run of the task: 0, or a later one, in milliseconds since 1970, when it was sent again or redriven. */
  readonly run: number
  /** Which attempt of the run, from 1. */
  readonly attempt: number
  /** By the clock of whoever did it: the sender, or the worker. */
  readonly at: Date
  /** How many events before this one are lost: the store keeps a bounded number, and none while it is away. */
  readonly dropped?: number
}

/** The task, or a new run of it, was sent. */
export interface QueuedEvent extends Happening {
  readonly type: 'queued'
}

/** A handler began. */
export interface StartedEvent extends Happening {
  readonly type: 'started'
  /** Which process runs it, of a task with `trackStarted`. */
  readonly hostname?: string
  readonly pid?: number
}

/** A handler called `progress()`. */
export interface ProgressEvent extends Happening {
  readonly type: 'progress'
  /** What it reported; undefined where that was too long to be kept. */
  readonly value: unknown
  /** How many characters of JSON it has, where that was too long to be kept. `state()` has the latest one whole. */
  readonly tooLong?: number
}

/** An attempt failed, and another follows. */
export interface RetryEvent extends Happening {
  readonly type: 'retry'
  readonly error: StoredError
  /** How long until the next attempt, in milliseconds. Absent when a Python worker said so. */
  readonly delayMs?: number
}

/** The task ended: the last event. */
export type DoneEvent<Output = unknown> = SucceededEvent<Output> | FailedEvent

export interface SucceededEvent<Output = unknown> extends Happening {
  readonly type: 'done'
  readonly status: 'SUCCESS'
  readonly output: Output
}

export interface FailedEvent extends Happening {
  readonly type: 'done'
  readonly status: 'FAILURE' | 'REVOKED'
  readonly error: StoredError
}

export type TaskEvent<Output = unknown> = QueuedEvent | StartedEvent | ProgressEvent | RetryEvent | DoneEvent<Output>
