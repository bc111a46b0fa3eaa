/** The names of the drills' own nodes. */
import { NODE_NUMBERS } from '../cluster/index.js'

/** A node that is none of these. */
export const otherThan = (...names: readonly string[]): string =>
  nodeNames.find((name) => !names.includes(name)) ?? 'rabbitmq-3'

export const nodeNames: readonly string[] = NODE_NUMBERS.map((node) => `rabbitmq-${node}`)
