import type { Task, Warren } from 'warren'

export declare const warren: Warren
export declare const remind: Task<{ customer: number }>
export declare const renew: Task<{ contract: number }>
export declare const customers: { customer: number }[]
export declare function endOfTrial(customer: number): Date
