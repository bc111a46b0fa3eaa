/** A worker's own report: `/healthz`, the metrics and the console read it. */
import type { EventEmitter } from 'node:events'
import type { ConsumerState, WorkerEvents, WorkerState } from './events.js'

/** Whether a worker is fully working, and if not, why. */
export interface WorkerHealth {
  readonly ready: boolean
  readonly state: WorkerState
  readonly queues: readonly { readonly queue: string; readonly state: ConsumerState; readonly reason?: string }[]
  readonly connections: { readonly consume: string; readonly publish: string }
  readonly store: 'available' | 'unavailable' | 'none'
  readonly running: number
  readonly held: number
  /** The problems that prevent it from working fully: one sentence each, with a remedy. */
  readonly problems: readonly string[]
}

/** The part of a worker that listeners use: its events and its health. */
export type ObservedWorker = Pick<EventEmitter<WorkerEvents>, 'on' | 'off'> & {
  readonly service: string
  health(): WorkerHealth
}
