/** What a worker says of itself: `/healthz`, the metrics and the console read it. */
import type { EventEmitter } from 'node:events'
import type { ConsumerState, WorkerEvents, WorkerState } from './events.js'

/** Whether a worker does what it is meant to do, and if not, what is missing. */
export interface WorkerHealth {
  readonly ready: boolean
  readonly state: WorkerState
  readonly queues: readonly { readonly queue: string; readonly state: ConsumerState; readonly reason?: string }[]
  readonly connections: { readonly consume: string; readonly publish: string }
  readonly store: 'available' | 'unavailable' | 'none'
  readonly running: number
  readonly held: number
  /** What keeps it from doing all that it is meant to, each in a sentence that says what to do. */
  readonly problems: readonly string[]
}

/** What there is to see of a worker: its events and its health. */
export type ObservedWorker = Pick<EventEmitter<WorkerEvents>, 'on' | 'off'> & {
  readonly service: string
  health(): WorkerHealth
}
