import type { Task, Warren } from 'warren'

export declare const warren: Warren
export declare const customers: string[]
export declare const loadCustomer: Task<{ id: string }, { id: string }, { orders: number }, { orders: number }>
export declare const score: Task<{ orders: number }, { orders: number }, { score: number }, { score: number }>
export declare const writeReport: Task<{ title: string; scores: { score: number }[] }>
