import type { Task, Warren } from 'warren'

export { defineTask } from 'warren'
export { z } from 'zod'
export declare const warren: Warren
export declare const callBank: Task<{ bank: string; iban: string }>
