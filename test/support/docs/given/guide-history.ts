import type { Warren } from 'warren'

export { connect } from 'warren'
export declare const warren: Warren
export declare const id: string
export declare const broker: string
export declare const results: string
