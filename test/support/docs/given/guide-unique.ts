import type { Task, Warren } from 'warren'

export declare const warren: Warren
export declare const syncCustomer: Task<{ id: number }>
export declare const index: Task<{ id: number }>
