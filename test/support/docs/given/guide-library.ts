import type { Task, Warren } from 'warren'

export { WarrenError } from 'warren'
export declare const warren: Warren
export declare const task: Task<{ to: string }>
export declare const input: { to: string }
