import type { Outbox } from '@warren/outbox'
import type { Pool, PoolClient } from 'pg'
import type { Task } from 'warren'

export declare const outbox: Outbox
export declare const pool: Pool
export declare const client: PoolClient
export declare const task: Task<{ order: string }>
export declare const inputs: { order: string }[]
export declare const input: { order: string }
export declare const id: string
export declare const expires: Date
export declare const tags: string[]
export declare const delayMs: number
export declare const at: Date
