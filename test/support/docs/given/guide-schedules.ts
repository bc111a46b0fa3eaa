import type { Task, Warren } from 'warren'

export declare const warren: Warren
export declare const createReport: Task<{ kind: 'daily' | 'weekly' }>
