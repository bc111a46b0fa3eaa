import type { Task, Worker } from 'warren'

interface Input {
  readonly path: string
  readonly width: number
}
export declare const worker: Worker
export declare const resize: Task<Input, Input, { bytes: number }, { bytes: number }>
export declare const shrink: (path: string, width: number) => number
