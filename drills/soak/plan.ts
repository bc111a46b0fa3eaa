/** When a soak restarts what: the same in each quarter, so that quarters can be compared. Pure. */
import { NODE_NUMBERS } from '../../cluster/index.js'
import { WORKERS } from '../drillCluster.js'

export interface Restart {
  readonly atMs: number
  readonly name: string
}

export const QUARTERS = 4
/** At which part of a quarter. */
const PARTS = { worker: 0.1, node: 0.35, haproxy: 0.6, store: 0.8 } as const

export function planRestarts(durationMs: number): Restart[] {
  const quarterMs = durationMs / QUARTERS
  return Array.from({ length: QUARTERS }, (_, quarter) => {
    const at = (part: keyof typeof PARTS, name: string): Restart => ({
      atMs: Math.round((quarter + PARTS[part]) * quarterMs),
      name,
    })
    return [
      at('worker', `worker-${(quarter % WORKERS) + 1}`),
      at('node', `rabbitmq-${(quarter % NODE_NUMBERS.length) + 1}`),
      at('haproxy', 'haproxy'),
      at('store', 'valkey'),
    ]
  }).flat()
}
