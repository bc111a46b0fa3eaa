import type { Warren } from 'warren'

export { defineTask } from 'warren'
export { z } from 'zod'
export declare const warren: Warren
export declare const keys: string[]
