/** RabbitMQ's permissions: three regular expressions over names. Pure. */
import { matches } from './pattern.js'

export interface Permissions {
  readonly configure: string
  readonly write: string
  readonly read: string
}

export type Right = keyof Permissions

/** Whether a user may do that to a name; undefined when its pattern cannot be read here. */
export function may(permissions: Permissions, right: Right, name: string): boolean | undefined {
  const pattern = permissions[right]
  // RabbitMQ takes the empty pattern for one that matches nothing.
  return pattern === '' ? false : matches(pattern, name)
}
