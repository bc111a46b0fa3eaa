import type { Warren } from 'warren'

export declare const warren: Warren
export declare const id: string
