export { connect } from 'warren'
export declare const broker: string
export declare const sentinelPassword: string
