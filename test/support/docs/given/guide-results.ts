export { connect } from 'warren'
export declare const broker: string
