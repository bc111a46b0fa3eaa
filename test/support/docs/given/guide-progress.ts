import type { Task, Warren } from 'warren'

export declare const warren: Warren
export declare const url: string
export declare const resize: Task<{ url: string }, { url: string }, { pixels: number }, { pixels: number }>
