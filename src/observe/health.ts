/** A worker's own report: `/healthz`, the metrics and the console read it. */
import type { EventEmitter } from 'node:events'
import type { ConsumerState, WorkerEvents, WorkerState } from './events.js'

/** Whether a worker is fully working, and if not, what is missing. */
export interface WorkerHealth {
  readonly ready: boolean
  readonly state: WorkerState
  readonly queues: readonly { readonly queue: string; readonly state: ConsumerState; readonly reason?: string }[]
  readonly connections: { readonly consume: string; readonly publish: string }
  readonly store: 'available' | 'unavailable' | 'none'
  readonly running: number
  readonly held: number
  /** What keeps it from working fully: one sentence each, with what to do. */
  readonly problems: readonly string[]
}

/** A worker as listeners see it: its events and its health. */
export type ObservedWorker = Pick<EventEmitter<WorkerEvents>, 'on' | 'off'> & {
  readonly service: string
  health(): WorkerHealth
}
