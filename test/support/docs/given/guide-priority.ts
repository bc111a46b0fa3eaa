import type { Warren } from 'warren'
import { z } from 'zod'

export { defineTask } from 'warren'
export declare const warren: Warren
export const input = z.object({ customer: z.string() })
export const invoice = { customer: 'c1' }
