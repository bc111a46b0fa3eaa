import type { Task, Warren } from 'warren'

export declare const warren: Warren
export declare const report: Task<{ customer: number }>
