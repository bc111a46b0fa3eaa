import type { Warren } from 'warren'

export declare const warren: Warren
