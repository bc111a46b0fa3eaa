export { connect } from 'warren'
export declare const broker: string
export declare const winston: { log(level: string, message: string, fields: object): unknown }
